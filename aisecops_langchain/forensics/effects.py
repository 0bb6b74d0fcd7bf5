"""What a run did to the world, call by call.

Invariant: a state is read off recorded events alone. A start without an end is ``unknown``: the log cannot say that it
did not happen.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import (
    AnyEvent,
    EffectResolved,
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
    PermitIssued,
)
from aisecops_langchain.forensics.calls import EffectKey, effect_key
from aisecops_langchain.forensics.trace import Trace


class RecordedState(StrEnum):
    """What became of a call that had, or wanted, a permit."""

    RESERVED = "reserved"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"


class EffectRecord(Frozen):
    """One call and its effect."""

    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the call: of the one that ran, or else of the last one that wanted to."""
    state: RecordedState
    starts: int
    """How often it was started; more than once is lawful only for idempotent tools."""
    blocked: int
    """How many ways of trying to run it without a valid permit are recorded."""


def effects_of(trace: Trace) -> tuple[EffectRecord, ...]:
    """Collect the effects of a run.

    Args:
        trace: The trace.

    Returns:
        One record per plan and call id, in causal order of their first event.
    """
    effects: dict[EffectKey, EffectRecord] = {}
    for event in trace.events:
        change = _state_after(event)
        if change is None:
            continue
        about, state = change
        key = effect_key(about)
        before = effects.get(key)
        # A refused attempt says nothing about an effect that was permitted, begun or ended before; nor does who did
        # not see its end, where somebody else saw it and died before the ledger had it.
        refused = state is RecordedState.BLOCKED
        unseen = isinstance(event, ExecutionUnknown) and before is not None and before.state in _SEEN
        kept = before if refused or unseen else None
        effects[key] = EffectRecord(
            plan=about.plan,
            call_id=about.call_id,
            tool=kept.tool if kept else about.tool,
            call=kept.call if kept else about.call,
            state=kept.state if kept else state,
            starts=(before.starts if before else 0) + isinstance(event, ExecutionStarted),
            blocked=(before.blocked if before else 0) + refused,
        )
    return tuple(effects.values())


_EffectEvent = (
    PermitIssued
    | ExecutionStarted
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionUnknown
    | ExecutionBlocked
    | EffectResolved
)


_STATES: Final = {
    "permit_issued": RecordedState.RESERVED,
    "execution_started": RecordedState.UNKNOWN,
    "execution_unknown": RecordedState.UNKNOWN,
    "execution_completed": RecordedState.COMPLETED,
    "execution_failed": RecordedState.FAILED,
    "execution_blocked": RecordedState.BLOCKED,
}


_SEEN: Final = (RecordedState.COMPLETED, RecordedState.FAILED)


def _state_after(event: AnyEvent) -> tuple[_EffectEvent, RecordedState] | None:
    """State of an effect after an event about it."""
    match event:
        case EffectResolved():
            return event, RecordedState(event.outcome)
        case (
            PermitIssued()
            | ExecutionStarted()
            | ExecutionUnknown()
            | ExecutionCompleted()
            | ExecutionFailed()
            | ExecutionBlocked()
        ):
            return event, _STATES[event.kind]
        case _:
            return None
