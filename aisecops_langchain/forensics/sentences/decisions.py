"""Sentences about what was proposed, and what policy said to it.

Invariant: every word that comes from the log went through ``text``.
"""

from __future__ import annotations

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    ArgumentsEndorsed,
    BudgetExhausted,
    CapabilityAllowed,
    CapabilityBlocked,
    DecisionMade,
    PermitIssued,
    PlanCreated,
    PlanRejected,
    PolicyAllowed,
    PolicyBlocked,
    TaskScoped,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.text import call_text, name, names, reasons, said, short

_VERBS = {Effect.ALLOW: "allowed", Effect.DENY: "denied", Effect.REQUIRE_APPROVAL: "left to a person"}


@tell.register
def _(event: BudgetExhausted, _: Calls) -> str:
    return f"The model was not asked again: {names(event.budgets)} used up"


@tell.register
def _(event: TaskScoped, _: Calls) -> str:
    asked = names(event.asked.tools) if event.asked.tools else "no tool"
    return f"The user's own words ask for {asked}"


@tell.register
def _(event: PlanCreated, _: Calls) -> str:
    steps = ", ".join(call_text(step.call.tool, step.call.arguments) for step in event.steps)
    return f"The model proposed {steps}, having seen {event.context.integrity} content"


@tell.register
def _(event: ArgumentsEndorsed, _: Calls) -> str:
    told = (f"{name(item.argument)} ({name(item.method)}, {item.label.integrity})" for item in event.endorsed)
    return f"Of {name(event.tool)}, more trusted than what the model had seen: {', '.join(told)}"


@tell.register
def _(event: PlanRejected, _: Calls) -> str:
    calls = "; ".join(f"{name(item.tool)} ({name(item.code)}) {said(item.message)}" for item in event.rejected)
    return f"Proposed calls were refused before any decision: {calls}"


@tell.register
def _(event: CapabilityAllowed, calls: Calls) -> str:
    who = name(event.principal.agent)
    return f"Capability {name(event.capability)} of agent {who} covers {calls.show(event)}"


@tell.register
def _(event: CapabilityBlocked, calls: Calls) -> str:
    who = name(event.principal.agent)
    return f"No capability of agent {who} covers {calls.show(event)}: {reasons(event.reasons)}"


@tell.register
def _(event: PolicyAllowed, calls: Calls) -> str:
    return f"Rules {names(event.rules)} allow {calls.show(event)}"


@tell.register
def _(event: PolicyBlocked, calls: Calls) -> str:
    by = f"Rules {names(event.rules)} deny" if event.rules else "Policy denies"
    return f"{by} {calls.show(event)}: {reasons(event.reasons)}"


@tell.register
def _(event: DecisionMade, _: Calls) -> str:
    made = event.decision
    call = call_text(event.call.tool, event.call.arguments)
    rules = f"rules {names(made.rules)} of " if made.rules else ""
    by = f"{rules}policy {short(made.policy)}"
    return f"{call} was {_VERBS[made.effect]} by {by}: {reasons(made.reasons)}"


@tell.register
def _(event: PermitIssued, calls: Calls) -> str:
    basis = f" on approval {short(event.approval)}" if event.approval is not None else ""
    basis = f" on grant {short(event.grant)}" if event.grant is not None else basis
    until = event.expires_at.isoformat()
    return f"Permit {short(event.permit)} was issued{basis} for {calls.show(event)} until {until}"
