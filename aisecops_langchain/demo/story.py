"""What happened, told from the log alone: the calls, the documents that were withheld, and what people answered.

Invariant: every word from the log is made printable first; a line says what the log holds and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalResponded,
    ContentBlocked,
    ContentSanitized,
    DecisionMade,
    ExecutionStarted,
    PlanRejected,
    RunFinished,
)
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.effects import RecordedState, effects_of
from aisecops_langchain.forensics.text import call_text, name, names, said
from aisecops_langchain.forensics.trace import Trace


class Verb(StrEnum):
    """What became of it."""

    RAN = "ran"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DENIED = "denied"
    WAITS = "waits"
    WITHHELD = "withheld"
    APPROVED = "approved"
    REJECTED = "rejected"
    STOPPED = "stopped"


_VERBS: Final = {RecordedState.COMPLETED: Verb.RAN, RecordedState.FAILED: Verb.FAILED}


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
    return tuple(item for event in trace.events for item in (*_about_calls(event, trace), *_about_others(event)))


def _about_calls(event: AnyEvent, trace: Trace) -> list[Line]:
    """Tell of a call when it is denied, when it has to wait, and when it is started."""
    match event:
        case DecisionMade() if event.decision.effect is not Effect.ALLOW:
            verb = Verb.DENIED if event.decision.effect is Effect.DENY else Verb.WAITS
            call = call_text(event.call.tool, event.call.arguments)
            return [Line(event.id, verb, call, tuple(said(item.message) for item in event.decision.reasons))]
        case ExecutionStarted():
            states = {(effect.plan, effect.call_id): effect.state for effect in effects_of(trace)}
            verb = _VERBS.get(states[event.plan, event.call_id], Verb.UNKNOWN)
            return [Line(event.id, verb, Calls(trace.events).show(event), _rules(event, trace))]
        case PlanRejected():
            return [Line(event.id, Verb.DENIED, name(item.tool), (said(item.message),)) for item in event.rejected]
        case _:
            return []


def _about_others(event: AnyEvent) -> list[Line]:
    match event:
        case ContentSanitized() | ContentBlocked() if _is_withheld(event):
            found = names(sorted({item.category for item in event.findings}))
            return [Line(event.id, Verb.WITHHELD, f"document {name(event.source.name)}", (f"findings: {found}",))]
        case ApprovalGranted():
            return [Line(event.id, Verb.APPROVED, f"by {name(event.approver.id)}")]
        case ApprovalRejected():
            why = (said(event.reason),) if event.reason else ()
            return [Line(event.id, Verb.REJECTED, f"by {name(event.approver.id)}", why)]
        case ApprovalResponded():
            return [Line(event.id, Verb.REJECTED, f"by {name(event.approver.id)}", ("answered in other words",))]
        case RunFinished() if event.outcome != "completed":
            return [Line(event.id, Verb.STOPPED, said(event.reason))]
        case _:
            return []


def _rules(event: ExecutionStarted, trace: Trace) -> tuple[str, ...]:
    """Name the rules that let a call run without a person; for the others, the question said why it was asked."""
    for made in trace.events:
        if isinstance(made, DecisionMade) and (made.plan, made.call.call_id) == (event.plan, event.call_id):
            allowed = made.decision.effect is Effect.ALLOW
            return (f"allowed by {names(made.decision.rules)}",) if allowed else ()
    return ()


def _is_withheld(event: ContentSanitized | ContentBlocked) -> bool:
    if event.source.kind is not SourceKind.RETRIEVAL_CHUNK:
        return False
    return isinstance(event, ContentBlocked) or "quarantined" in event.actions
