"""One event: what it records, the exact bytes of its line, and what vouches for it.

Invariant: the line is shown as it stands in the log, so that whoever looks can hash it; characters that cannot be seen
are written out.
"""

from __future__ import annotations

from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.evidence.line_proof import LineProof
from aisecops_langchain.web.api.traces import run_of, show_event
from aisecops_langchain.web.templating import page

_ENVELOPE: Final = ("v", "seq", "prev", "kind", "id", "time", "trace", "thread", "parents", "principal", "policy")
"""What every line says, and the page says elsewhere."""
_MOST_FOLLOWERS: Final = 20


def event_page(request: Request) -> Response:
    """Show one event of a run."""
    told, run = show_event(request), run_of(request)
    event = next(item for item in run.trace.events if item.id == told.event)
    (entry,) = run.timeline.tell([event])
    followers = [item.id for item in run.trace.events if event.id in item.parents]
    data = run.places[event.id].data
    fields = {name: value for name, value in orjson.loads(data).items() if name not in _ENVELOPE}
    return page(
        request,
        "event.html",
        {
            "event": event,
            "text": entry.text,
            "fields": orjson.dumps(fields, option=orjson.OPT_INDENT_2).decode().splitlines(),
            "followers": followers[:_MOST_FOLLOWERS],
            "raw": told.raw,
            "raw_bytes": len(data),
            "proof": told.proof,
            "holds": told.holds,
            "verdict": _verdict(told.proof),
        },
    )


def _verdict(proof: LineProof) -> str:
    """Say in one sentence what chain and signature say of the line."""
    if not proof.follows or proof.followed is False:
        return "The line does not fit the lines beside it: it, or one of them, was changed, removed or moved."
    if proof.head is None:
        return "The line fits the line before it; no signed head covers it yet."
    if not proof.head.reached:
        return "The signed head says something else than the lines up to it."
    if not proof.holds:
        return "The chain leads to a signed head whose signature does not hold, or is by a key that is not trusted."
    return "The line fits the lines beside it, and the chain leads to a signed head whose signature holds."
