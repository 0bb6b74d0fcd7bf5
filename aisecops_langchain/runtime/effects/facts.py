"""What an operator or a reconciler is told of an effect.

Invariant: facts come from a row that carries our seal; arguments are not among them, for the ledger holds only digests.
"""

from __future__ import annotations

from dataclasses import dataclass

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.runtime.ledger.records import EffectRecord, Resolution


@dataclass(frozen=True, slots=True)
class EffectFacts:
    """What the ledger knows of one effect; arguments are not in it."""

    key: str
    """Identity of the effect, by which it is settled."""
    tool: str
    call: str
    """Digest of the canonical call."""
    call_id: str
    plan: str
    thread: str
    trace: str
    agent: str
    user: str
    tenant: str
    permit: str
    permitted_at: int
    """Nanoseconds since the Unix epoch."""
    started_by: str
    """The process that began it, by its id in the ledger; empty if none did."""
    attempt: int
    idempotency_key: str
    """The key that the tool was given for this effect, to look it up in the target system."""
    late: str
    """``completed`` or ``failed`` where the tool ended after its deadline; empty where nothing was heard of it."""
    state: EffectState
    """``unknown`` also where it counts as started by a process that is gone."""
    resolution: Resolution | None
    """Whose word settled it; while the state is still ``unknown``, that word is being recorded."""


def facts_of(key: str, record: EffectRecord, *, idempotency_key: str) -> EffectFacts:
    """Tell what a record says.

    Args:
        key: Key of its row.
        record: The record.
        idempotency_key: The key that its tool was given.

    Returns:
        The facts.
    """
    binding = record.permit.binding
    who = binding.scope.principal
    return EffectFacts(
        key=key,
        tool=binding.tool,
        call=binding.call,
        call_id=binding.call_id,
        plan=binding.plan,
        thread=binding.scope.thread,
        trace=binding.scope.trace,
        agent=who.agent,
        user=who.user,
        tenant=who.tenant,
        permit=record.permit.id,
        permitted_at=record.permit.issued_at,
        started_by=record.owner,
        attempt=record.attempt,
        idempotency_key=idempotency_key,
        late=record.late,
        state=record.state,
        resolution=record.resolution,
    )
