"""What the log is told of effects: the intent, the end, and what was kept from running.

Invariant: every event names the call, its plan and its permit; a refusal stands whether or not it could be written.
"""

from __future__ import annotations

from typing import Any

from aisecops_langchain.domain.events import (
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
)
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.errors import AuditError, PermitError
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.recorder import Recorder

Outcome = type[ExecutionCompleted] | type[ExecutionFailed] | type[ExecutionUnknown]

Between = type[ExecutionStarted] | type[ExecutionRetried]


def about(binding: Binding, permit_id: str) -> dict[str, Any]:
    """Return the fields that every event of an effect has.

    Args:
        binding: What it is.
        permit_id: The permit that it is under, or claims to be.

    Returns:
        The fields by name.
    """
    return {
        "plan": binding.plan,
        "call_id": binding.call_id,
        "tool": binding.tool,
        "call": binding.call,
        "permit": permit_id,
    }


def record_effect(recorder: Recorder, kind: Outcome | Between, running: Running, **facts: Any) -> str:
    """Record the intent or the end of one attempt.

    Args:
        recorder: Writes it.
        kind: Which of them.
        running: The effect.
        **facts: Further fields of the event.

    Returns:
        Id of the event.

    Raises:
        AuditWriteError: If it could not be written.
    """
    binding = running.binding
    return recorder.record(
        kind,
        binding.scope,
        running.permit.id,
        str(running.record.attempt),
        parents=(running.event,) if running.event else (),
        **about(binding, running.permit.id),
        **facts,
    )


def record_blocked(recorder: Recorder, permit_id: str, binding: Binding, refusal: PermitError) -> None:
    """Record that something asked to run a call without a valid permit.

    Args:
        recorder: Writes it.
        permit_id: What was presented; anything at all.
        binding: What would have run.
        refusal: Why it did not.

    Raises:
        PermitError: The refusal itself, where it could not be written.
    """
    which = (binding.effect_key(), binding.call)
    shown = permit_id if permit_id.isalnum() and len(permit_id) <= 64 else "malformed"
    facts = {**about(binding, shown), "code": refusal.code, "reason": refusal.message}
    try:
        recorder.record(ExecutionBlocked, binding.scope, shown, *which, refusal.code, **facts)
    except AuditError:
        raise refusal from None  # nothing ran; the refusal stands whether or not it could be written
