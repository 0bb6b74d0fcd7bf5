"""The steps of a run: each proposed call with what was decided on it, who answered, and what ran.

Invariant: one step per plan and call id, in the order in which the log first tells of them. Digests stand as recorded;
a step shows arguments only of the call that a digest names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    DecisionMade,
    ExecutionBlocked,
    ExecutionStarted,
    PermitIssued,
    PlanCreated,
    RecordedCall,
)
from aisecops_langchain.forensics.calls import EffectKey, effect_key, recorded_in
from aisecops_langchain.forensics.effects import RecordedState, effects_of
from aisecops_langchain.forensics.trace import Trace

_Answer: TypeAlias = ApprovalGranted | ApprovalRejected | ApprovalResponded | ApprovalExpired


class DecidedCall(Frozen):
    """One decision on a step."""

    call: str
    """Digest of the call that was decided on."""
    effect: Effect
    rules: tuple[str, ...]
    stage: str
    policy: str


class PermittedCall(Frozen):
    """One permit for a step."""

    call: str
    """Digest of the call that may run."""
    decision: Effect | None
    """The last decision on exactly that call before it; none where the log holds none."""


class Step(Frozen):
    """What became of one proposed call."""

    plan: str
    call_id: str
    tool: str
    planned: tuple[str, ...] = ()
    """Digests of the call as the model proposed it; none where no plan in the log holds it."""
    decided: tuple[DecidedCall, ...] = ()
    asked: tuple[str, ...] = ()
    """Digests that persons were asked about."""
    answers: tuple[str, ...] = ()
    """What they said: ``granted``, ``rejected``, ``responded``, ``expired``."""
    edited: tuple[str, ...] = ()
    """Digests that persons put in its place."""
    permitted: tuple[PermittedCall, ...] = ()
    executed: tuple[str, ...] = ()
    """Digests that were started."""
    blocked: tuple[str, ...] = ()
    """Digests that wanted to run and were kept from it."""
    state: RecordedState | None = None
    """What became of its effect; none where it never had a permit."""
    arguments: dict[str, JsonValue] | None = None
    """Arguments of the last call that was decided on, or else planned, as the log shows them."""

    @property
    def final(self) -> DecidedCall | None:
        """The last decision on it."""
        return self.decided[-1] if self.decided else None


def steps_of(trace: Trace) -> tuple[Step, ...]:
    """Collect the steps of a run.

    Args:
        trace: The trace.

    Returns:
        The steps, in the order in which the log first tells of them.
    """
    steps: dict[EffectKey, Step] = {}
    for event in trace.events:
        if isinstance(event, PermitIssued):
            key = effect_key(event)
            known = steps.get(key) or Step(plan=event.plan, call_id=event.call_id, tool=event.tool)
            steps[key] = _added(known, {"permitted": _permitted(event, known)})
        for key, tool, change in _changes(event):
            known = steps.get(key) or Step(plan=key[0], call_id=key[1], tool=tool)
            steps[key] = _added(known, change)
    states = {(item.plan, item.call_id): item.state for item in effects_of(trace)}
    return tuple(step.model_copy(update={"state": states.get(key)}) for key, step in steps.items())


def _added(known: Step, change: dict[str, object]) -> Step:
    """Append to what is a sequence, replace what is not."""
    old = dict(known)
    return known.model_copy(
        update={key: (*old[key], value) if isinstance(old[key], tuple) else value for key, value in change.items()}
    )


def _permitted(event: PermitIssued, known: Step) -> PermittedCall:
    """Tell what had been decided on a call when its permit was issued; later decisions account for nothing earlier."""
    decided = [item.effect for item in known.decided if item.call == event.call]
    return PermittedCall(call=event.call, decision=decided[-1] if decided else None)


def _changes(event: AnyEvent) -> Iterator[tuple[EffectKey, str, dict[str, object]]]:
    """What one event adds to which step."""
    match event:
        case PlanCreated():
            for plan, call in recorded_in(event):
                yield (plan, call.call_id), call.tool, {"planned": call.digest, "arguments": call.arguments}
        case DecisionMade():
            yield (event.plan, event.call.call_id), event.call.tool, _decision(event, event.call)
        case ApprovalRequested():
            yield effect_key(event), event.tool, {"asked": event.call}
        case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
            yield effect_key(event), event.tool, _answer(event)
        case ExecutionStarted():
            yield effect_key(event), event.tool, {"executed": event.call}
        case ExecutionBlocked():
            yield effect_key(event), event.tool, {"blocked": event.call}
        case _:
            return


def _decision(event: DecisionMade, call: RecordedCall) -> dict[str, object]:
    made = event.decision
    decided = DecidedCall(
        call=call.digest, effect=made.effect, rules=made.rules, stage=made.stage.value, policy=made.policy
    )
    return {"decided": decided, "arguments": call.arguments}


def _answer(event: _Answer) -> dict[str, object]:
    said: dict[str, object] = {"answers": event.kind.removeprefix("approval_")}
    edited = event.edited if isinstance(event, ApprovalGranted) else None
    return said if edited is None else {**said, "edited": edited}
