"""One proposed step before the gate: what it is, and what an approval or a permit for it would be bound to.

Invariant: everything here is computed from the step and the scope alone; nothing of it is authority.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.labels import Integrity, Label
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import Method, PlanStep
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.task import TaskScope

_NOT_TRACED: Final = (Method.CONTEXT, Method.UNTRUSTED)
"""A value that stands nowhere was not named by anybody, however trusted the context is."""


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


def is_named_by_user(step: PlanStep, profile: ToolProfile) -> bool:
    """Whether the user's own words name all that a call reaches, which policy may let vouch for its result.

    Args:
        step: The call.
        profile: What the policy in force says of its tool.

    Returns:
        Whether they name every target of it, and it has one.
    """
    if not profile.targets:
        return False
    arguments = step.call.arguments()
    traced = {item.argument: item for item in step.provenance if item.method not in _NOT_TRACED}
    present = [traced.get(name) for name in profile.targets if arguments.get(name) is not None]
    return bool(present) and all(item and item.label.integrity.rank >= Integrity.USER.rank for item in present)


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
