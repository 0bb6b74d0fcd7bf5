"""What a policy looks at when it decides on a tool of an agent.

Invariant: what is named here is all that the answer can depend on; where that cannot be told, everything is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from aisecops_langchain.domain.effects import UNDECLARED, ToolProfile
from aisecops_langchain.policy import Policy
from aisecops_langchain.policy.bounds_model import Measure
from aisecops_langchain.policy.cel import CEL
from aisecops_langchain.policy.conditions import Condition, Group


class Reads(NamedTuple):
    """What decides."""

    arguments: frozenset[str] | None
    """Top-level arguments whose values are looked at; ``None`` for all of them."""
    task: bool
    """Whether it matters what the user's words ask for."""

    def any_of(self, names: frozenset[str]) -> bool:
        """Whether one of these arguments is looked at.

        Args:
            names: Names of arguments.
        """
        return bool(names) if self.arguments is None else not self.arguments.isdisjoint(names)


def reads_of(policy: Policy, agent: str, tool: str, declared: ToolProfile | None) -> Reads:
    """Say what a policy looks at.

    Args:
        policy: The policy.
        agent: Who calls.
        tool: What is called.
        declared: What the tool's own code declares of it.

    Returns:
        What the decision can depend on; nothing for an agent or tool that the policy does not let call at all.
    """
    gate = policy.index.gates.get(agent, {}).get(tool)
    if gate is None:
        return Reads(frozenset(), task=False)
    paths = {path for rule in gate.rules if rule.condition for path in _paths(rule.condition)}
    task = any(path.startswith("task.") for path in paths)
    if CEL in paths:
        return Reads(None, task=task)
    named = {path.split(".")[1] for path in paths if path.startswith("args.")}
    named |= {argument for argument, _ in gate.demands}
    if any(item.measure is Measure.SPEND for item in policy.bounds.applicable(tool).values()):
        named |= {*(gate.profile or declared or UNDECLARED).amounts}
    return Reads(frozenset(named), task=task)


def _paths(condition: Condition) -> Iterator[str]:
    if not isinstance(condition, Group):
        yield condition.attribute.path
        return
    for part in condition.parts:
        yield from _paths(part)
