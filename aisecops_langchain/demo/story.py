"""What happened, told from the log alone: one line for each call and for each document that was withheld.

Invariant: every word from the log is made printable first; a line says what the log holds and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aisecops_langchain.domain.decision import Decision, Effect
from aisecops_langchain.domain.events import (
    ApprovalGranted,
    ApprovalRejected,
    ContentBlocked,
    ContentSanitized,
    DecisionMade,
    PlanRejected,
)
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.forensics.effects import RecordedState, effects_of
from aisecops_langchain.forensics.text import call_text, name, names, said
from aisecops_langchain.forensics.trace import Trace


class Verb(StrEnum):
    """What became of it."""

    RAN = "ran"
    DENIED = "denied"
    WAITS = "waits"
    STOPPED = "not run"
    WITHHELD = "withheld"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    event: str
    """Id of the event that it tells."""
    verb: Verb
    what: str
    why: tuple[str, ...] = ()


def tell(trace: Trace) -> tuple[Line, ...]:
    """Tell a run.

    Args:
        trace: The run as far as it went.

    Returns:
        The lines in causal order.
    """
    states = {(effect.plan, effect.call_id): effect.state for effect in effects_of(trace)}
    lines: list[Line] = []
    for event in trace.events:
        match event:
            case DecisionMade():
                state = states.get((event.plan, event.call.call_id))
                call = call_text(event.call.tool, event.call.arguments)
                lines.append(Line(event.id, _verb(event.decision, state), call, _why(event.decision)))
            case PlanRejected():
                lines.extend(Line(event.id, Verb.DENIED, name(item.tool), (said(item.message),)) for item in event.rejected)
            case ContentSanitized() | ContentBlocked() if _is_withheld(event):
                found = names(sorted({item.category for item in event.findings}))
                lines.append(Line(event.id, Verb.WITHHELD, f"document {name(event.source.name)}", (f"found in it: {found}",)))
            case ApprovalGranted():
                lines.append(Line(event.id, Verb.APPROVED, f"by {name(event.approver.id)}"))
            case ApprovalRejected():
                why = (said(event.reason),) if event.reason else ()
                lines.append(Line(event.id, Verb.REJECTED, f"by {name(event.approver.id)}", why))
            case _:
                pass
    return tuple(lines)


def _is_withheld(event: ContentSanitized | ContentBlocked) -> bool:
    if event.source.kind is not SourceKind.RETRIEVAL_CHUNK:
        return False
    return isinstance(event, ContentBlocked) or "quarantined" in event.actions


def _verb(decision: Decision, state: RecordedState | None) -> Verb:
    if state is RecordedState.COMPLETED:
        return Verb.RAN
    if decision.effect is Effect.DENY:
        return Verb.DENIED
    return Verb.WAITS if decision.effect is Effect.REQUIRE_APPROVAL else Verb.STOPPED


def _why(decision: Decision) -> tuple[str, ...]:
    return tuple(said(item.message) for item in decision.reasons)
