"""What the log is told of standing grants.

Invariant: a grant is told where it was given, a use where the call is made, and a revocation on its own, since it is no
part of any run; values are shown as the log shows arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from aisecops_langchain.canonical import JsonValue, digest_texts
from aisecops_langchain.domain.events import GrantEnded, GrantGiven, GrantRevoked, GrantUsed
from aisecops_langchain.domain.grant import GrantEntry, StandingGrant, amount_text
from aisecops_langchain.domain.permit import Binding, Permit
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder, at

if TYPE_CHECKING:
    from aisecops_langchain.runtime.grants.service import GrantUse


def given_event(recorder: Recorder, grant: StandingGrant) -> PreparedEvent:
    """Prepare the event of a grant, in the run that it was given in; raises as ``Recorder.prepare`` does."""
    return recorder.prepare(
        GrantGiven,
        grant.binding.scope,
        grant.id,
        **_about(grant.binding),
        approval=grant.approval,
        grant=grant.id,
        approver=grant.approver,
        fixed=shown_values(recorder, grant),
        any=grant.any,
        up_to=_texts(grant.up_to),
        each=_texts(grant.each),
        uses=grant.uses,
        any_thread=grant.any_thread,
        expires_at=at(grant.expires_at),
        reason=grant.reason,
    )


def used_event(recorder: Recorder, use: GrantUse, permit: Permit, parent: str) -> PreparedEvent:
    """Prepare the event of a use, in the run that the call is made in; raises as ``Recorder.prepare`` does."""
    grant, binding = use.grant, permit.binding
    return recorder.prepare(
        GrantUsed,
        binding.scope,
        permit.id,
        parents=(parent,),
        **_about(binding),
        grant=grant.id,
        permit=permit.id,
        approval=grant.approval,
        approver=grant.approver,
        amounts=_texts(use.amounts),
    )


def end_event(recorder: Recorder, entry: GrantEntry, scope: Scope) -> PreparedEvent:
    """Prepare the event of a grant that was found to be over; raises as ``Recorder.prepare`` does."""
    grant, why = entry.grant, entry.state.value
    return recorder.prepare(GrantEnded, scope, grant.id, why, grant=grant.id, tool=grant.binding.tool, why=why)


def shown_values(recorder: Recorder, grant: StandingGrant) -> dict[str, JsonValue]:
    """Show the fixed values of a grant as the log shows arguments, without secrets and personal data."""
    values = {name: orjson.loads(text) for name, text in grant.fixed.items()}
    return recorder.call(grant.id, CanonicalCall.of(grant.binding.tool, values)).arguments


def revoked_event(recorder: Recorder, entry: GrantEntry) -> PreparedEvent:
    """Prepare the event of a revocation, in a trace of its own; raises as ``Recorder.prepare`` does."""
    grant = entry.grant
    trace = digest_texts("grant revoked", grant.id)[7:39]
    operator = Principal(agent="operator", user="operator", tenant="governance")
    scope = Scope(trace=trace, thread=f"grant-{trace}", principal=operator, policy="none")
    facts: dict[str, Any] = {"tool": grant.binding.tool, "by": entry.by, "reason": entry.reason}
    return recorder.prepare(GrantRevoked, scope, grant.id, str(entry.ended_at), grant=grant.id, **facts)


def _about(binding: Binding) -> dict[str, Any]:
    return {"plan": binding.plan, "call_id": binding.call_id, "tool": binding.tool, "call": binding.call}


def _texts(amounts: dict[str, int]) -> dict[str, str]:
    return {name: amount_text(amount) for name, amount in amounts.items()}
