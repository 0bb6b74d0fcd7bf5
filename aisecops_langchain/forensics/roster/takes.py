"""Takes events into a gathering, one by one.

Invariant: an event counts once, by its id; what is gathered does not depend on the order of the events. One that is not
of the shape of its kind leaves the gathering as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import orjson

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.labels import Integrity
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.roster.gathering import Gathering
from aisecops_langchain.forensics.roster.reading import Fields, moment, part, parts, text
from aisecops_langchain.forensics.stages import RANK_OF

_SPAN_PREFIXES: Final = ("model_", "tool_", "retrieval_")
_EFFECTS: Final = frozenset(Effect)
_OUTCOMES: Final = frozenset(Outcome)
_TRUST: Final = frozenset(Integrity)


def take(run: Gathering, fields: Fields) -> bool:
    """Take one event into a gathering.

    Args:
        run: What is known of the run so far.
        fields: The event as plain JSON.

    Returns:
        Whether it is a new one.

    Raises:
        AuditFormatError: If it is not of the shape of its kind; nothing of it is kept then.
    """
    kind, identity, time = text(fields, "kind"), text(fields, "id"), moment(fields)
    rank = RANK_OF.get(kind)
    if rank is None:
        raise AuditFormatError("line is of an unknown kind", expected="an event of this schema")
    mark = int.from_bytes(blake2b(identity.encode(), digest_size=7).digest())
    if mark in run.ids:
        return False
    who = part(fields, "principal")
    place = [time, rank, identity, text(fields, "thread"), *(text(who, name) for name in ("agent", "user", "tenant"))]
    takes = _TAKES.get(kind)
    if takes is not None:
        takes(run, fields, time)
    _place(run, place, span=kind.startswith(_SPAN_PREFIXES))
    run.begun = min(run.begun, time) if run.ids else time
    run.ended = max(run.ended, time) if run.ids else time
    run.ids.add(mark)
    return True


def _place(run: Gathering, place: list[Any], *, span: bool) -> None:
    if span:
        run.seen = place if run.seen is None else min(run.seen, place)
        return
    run.who = place if run.who is None else min(run.who, place)
    run.agents.add(place[4])
    run.users.add(place[5])
    run.tenants.add(place[6])


def _key(*values: object) -> str:
    return orjson.dumps(values).decode()


def _one_of(allowed: frozenset[Any], value: str) -> str:
    if value not in allowed:
        raise AuditFormatError("line of the audit log makes no sense", expected="a value of this schema")
    return value


def _declared(profile: JsonValue) -> list[str]:
    """Read what a tool's own code declared that it does."""
    effects = profile.get("effects") if isinstance(profile, dict) else []
    if not isinstance(effects, list):
        raise AuditFormatError("line of the audit log makes no sense", expected="a list of effects")
    return [str(effect) for effect in effects]


def _content(run: Gathering, fields: Fields, time: int) -> None:
    source = part(fields, "source")
    integrity = _one_of(_TRUST, text(part(fields, "label"), "integrity"))
    named = f"{text(source, 'kind')}:{text(source, 'name')}"
    found = [text(item, "category") for item in parts(fields, "findings")]
    run.sources.add(named)
    run.trust.add(integrity)
    run.findings.update(found)
    if found and integrity == Integrity.UNTRUSTED:
        run.found_at = time if run.found_at is None else min(run.found_at, time)


def _withheld(run: Gathering, fields: Fields, time: int) -> None:
    _content(run, fields, time)
    run.held_at.append(time)


def _decision(run: Gathering, fields: Fields, time: int) -> None:
    decision, tool = part(fields, "decision"), text(part(fields, "call"), "tool")
    effect = _one_of(_EFFECTS, text(decision, "effect"))
    integrity = _one_of(_TRUST, text(part(fields, "context"), "integrity"))
    run.calls[_key(text(fields, "policy"), tool, _declared(fields.get("tool_profile")), effect)] += 1
    run.tools.add(tool)
    run.trust.add(integrity)
    if effect == Effect.DENY:
        run.held_at.append(time)


def _execution(run: Gathering, fields: Fields, time: int) -> None:  # noqa: ARG001 - one signature for all kinds
    tool, call = text(fields, "tool"), _key(text(fields, "plan"), text(fields, "call_id"))
    run.executed[tool] += 1
    run.started.add(call)


def _span(run: Gathering, fields: Fields, time: int) -> None:  # noqa: ARG001 - one signature for all kinds
    parent = fields.get("parent_run")
    if text(fields, "policy").startswith("sha256:"):
        run.spans.append([text(fields, "run"), parent if isinstance(parent, str) else "", text(fields, "name")])


def _asked(run: Gathering, fields: Fields, time: int) -> None:
    approval = text(fields, "approval")
    run.asked[approval] = min(time, run.asked.get(approval, time))


def _answer(run: Gathering, fields: Fields, time: int) -> None:
    approver, approval, kind = part(fields, "approver"), text(fields, "approval"), text(fields, "kind")
    waited = fields.get("waited_seconds")
    seconds = float(waited) if isinstance(waited, int | float) else None
    yes = kind in ("approval_voted", "approval_granted")
    run.answers.append([approval, text(approver, "id"), approver.get("verified") is True, yes, seconds, time])
    if kind != "approval_voted":
        run.answered.add(approval)
    if kind == "approval_rejected":
        run.held_at.append(time)


def _expired(run: Gathering, fields: Fields, time: int) -> None:
    run.answered.add(text(fields, "approval"))
    run.held_at.append(time)
    run.expired += 1


def _held(run: Gathering, fields: Fields, time: int) -> None:  # noqa: ARG001 - one signature for all kinds
    run.held_at.append(time)


def _paused(run: Gathering, fields: Fields, time: int) -> None:  # noqa: ARG001 - one signature for all kinds
    run.paused.add(text(fields, "waiting_for"))


def _resumed(run: Gathering, fields: Fields, time: int) -> None:  # noqa: ARG001 - one signature for all kinds
    run.answered.add(text(fields, "answered"))


def _finished(run: Gathering, fields: Fields, time: int) -> None:
    end = [time, RANK_OF["run_finished"], text(fields, "id"), _one_of(_OUTCOMES, text(fields, "outcome"))]
    run.end = end if run.end is None else max(run.end, end)


_TAKES: Final[dict[str, Callable[[Gathering, Fields, int], None]]] = {
    **dict.fromkeys(
        ("content_admitted", "prompt_allowed", "memory_read", "output_allowed", "memory_written"), _content
    ),
    **dict.fromkeys(("content_sanitized", "content_blocked", "prompt_blocked", "output_blocked"), _withheld),
    **dict.fromkeys(("approval_voted", "approval_granted", "approval_rejected", "approval_responded"), _answer),
    **dict.fromkeys(("execution_blocked", "plan_rejected", "stop_ordered", "memory_blocked"), _held),
    "decision_made": _decision,
    "execution_started": _execution,
    "tool_started": _span,
    "approval_requested": _asked,
    "approval_expired": _expired,
    "run_paused": _paused,
    "run_resumed": _resumed,
    "run_finished": _finished,
}
