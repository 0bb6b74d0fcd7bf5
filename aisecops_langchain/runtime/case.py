"""One proposed step before the gate: what it is, and what an approval or a permit for it would be bound to.

Invariant: everything here is computed from the step and the scope alone; nothing of it is authority.
"""

from __future__ import annotations

from dataclasses import dataclass

from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import PlanStep
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.task import TaskScope


@dataclass(frozen=True, slots=True)
class Proposal:
    """A step as it stands before the gate."""

    step: PlanStep
    plan: str
    context: Label
    planned_call: str
    """Digest of the call as planned; differs from the step's where a person edited it."""
    parents: tuple[str, ...] = ()
    task: TaskScope | None = None
    """What the user's words ask for, where policy wants to know."""


class Case:
    """One proposal on its way through the gate, with what is asked of it more than once."""

    def __init__(self, proposal: Proposal, scope: Scope) -> None:
        step = proposal.step
        self.proposal = proposal
        self.scope = scope
        self.binding = _bind(proposal, scope, step.call.digest)
        """What a permit would be good for."""
        self.key = self.binding.effect_key()
        edited = step.call.digest != proposal.planned_call
        self.asked = _bind(proposal, scope, proposal.planned_call) if edited else self.binding
        """What a person is or was asked about: the call as planned."""
        self.about = {"plan": proposal.plan, "call_id": step.call_id, "tool": step.call.tool, "call": step.call.digest}


def _bind(proposal: Proposal, scope: Scope, call: str) -> Binding:
    step = proposal.step
    return Binding(
        call_id=step.call_id,
        call=call,
        tool=step.call.tool,
        tool_definition=step.tool_definition,
        plan=proposal.plan,
        scope=scope,
    )
