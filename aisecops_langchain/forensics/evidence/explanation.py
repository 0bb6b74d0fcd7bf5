"""What one run did, in plain words, for a person who has neither this package nor the log.

Invariant: plain text; whatever the log holds stands on a line of its own and is printable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from aisecops_langchain.forensics.summary import Summary, summarize
from aisecops_langchain.forensics.text import name, said
from aisecops_langchain.forensics.timeline import timeline
from aisecops_langchain.forensics.trace import Trace

_ABOUT: Final = """
What this package shows
  Every file named in statement.dsse.json is as it was when the package was made, and the holder of the key made it.
  The lines under segments/ are the exact bytes of the audit log. Each names the hash of the line before it; a line that
  leads to a signed head was recorded, as it is, when that head was signed.

What it does not show
  That the key is whose you think it is: compare the key with one that you got another way.
  That what the governed system recorded is true, or that it recorded everything that the world saw.
  That lines between which only hashes are given belong to other runs: that is the word of whoever made the package.
""".strip("\n")


def explain(trace: Trace, mapped: Mapping[str, int]) -> str:
    """Tell a run.

    Args:
        trace: The trace.
        mapped: Number of mapped items by title of framework.

    Returns:
        Lines of plain text.
    """
    return "\n".join((*_told(trace, summarize(trace), mapped), "", _ABOUT, ""))


def _told(trace: Trace, summary: Summary, mapped: Mapping[str, int]) -> Iterator[str]:
    who = summary.principal
    yield f"Evidence of trace {name(trace.id)}"
    yield ""
    yield f"Agent {name(who.agent)} acted for user {name(who.user)} of tenant {name(who.tenant)}."
    yield f"It began at {summary.started.isoformat()} and took {summary.duration_ms:.1f} ms."
    yield f"Outcome: {summary.outcome.value}" + (f", because {said(summary.reason)}" if summary.reason else "")
    yield "Decisions: " + ", ".join(f"{effect} {count}" for effect, count in summary.decisions.items())
    asked = summary.approvals
    answers = f"granted {asked.granted}, rejected {asked.rejected}, pending {asked.pending}"
    yield f"Approvals: asked {asked.asked}, {answers}"
    yield from _effects(summary)
    yield from _denials(summary)
    yield from _problems(summary)
    yield ""
    yield "What happened, in order (milliseconds since the beginning)"
    for entry in timeline(trace):
        yield f"  {entry.offset_ms:>10.1f}  {entry.text}"
    yield ""
    yield "What it bears on: see mappings.json"
    for title, count in mapped.items():
        yield f"  {title}: {count}"


def _effects(summary: Summary) -> Iterator[str]:
    if not summary.effects:
        yield "Effects: none was permitted or tried."
        return
    yield "Effects:"
    for effect in summary.effects:
        yield f"  {name(effect.tool)} ({name(effect.call_id)}): {effect.state.value}, started {effect.starts} times"


def _denials(summary: Summary) -> Iterator[str]:
    if summary.denied:
        yield "Refused:"
    for call in summary.denied:
        yield f"  {name(call.tool)} ({name(call.call_id)}), by {name(call.stage)}: {said(call.reason)}"


def _problems(summary: Summary) -> Iterator[str]:
    if not summary.problems:
        yield "The record of this run has no gap and no contradiction."
        return
    yield f"THE RECORD HAS {len(summary.problems)} GAPS OR CONTRADICTIONS:"
    for problem in summary.problems:
        yield f"  {problem.code}: {problem.message}"
