"""The attributes in which requests of one agent and tool may differ so that two policies read them differently.

Invariant: every attribute that either policy reads there has an axis, or a gap says that it was not varied.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.labels import Confidentiality, Integrity
from aisecops_langchain.domain.plan import Method
from aisecops_langchain.policy.cel import CEL
from aisecops_langchain.policy.compiled import Gate
from aisecops_langchain.policy.conditions import GRANTED_BY, Condition, Group, Leaf
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.operators import Test
from aisecops_langchain.policy.values import MISSING
from aisecops_langchain.policy.witnesses import witnesses

_DERIVED: Final = frozenset({"principal.agent", "tool", "capability", "risk"})
_DOTTED: Final = "argument "
"""Stands before the name of an argument that a path cannot name."""
_PROFILED: Final = frozenset({"tool.effects", "tool.reversible"})
_ROLES: Final = frozenset({"targets.integrity", "amounts.integrity", "content.integrity", "arguments.confidentiality"})
_TASK: Final = frozenset({"task.in_scope", "task.tool_in_scope"})
_LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "integrity": tuple(level.value for level in Integrity),
    "confidentiality": tuple(level.value for level in Confidentiality),
    "method": tuple(method.value for method in Method),
}


class Nested:
    """Stands for an object whose fields are chosen on their own."""


NESTED: Final = Nested()


@dataclass(slots=True)
class Space:
    """The attributes that matter between one agent and one tool, each with its witnesses."""

    agent: str
    tool: str
    axes: dict[str, Sequence[object]] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return math.prod(len(values) for values in self.axes.values())


def spaces_of(old: Policy, new: Policy) -> Iterator[Space]:
    """Yield one space per agent and tool that the policies do not treat by the very same sentences; smallest first.

    Args:
        old: One policy.
        new: The other.
    """
    spaces = []
    for agent in sorted(old.agents | new.agents):
        one, other = old.index.gates.get(agent, {}), new.index.gates.get(agent, {})
        for tool in sorted(one.keys() | other.keys()):
            gates = [gate for gate in (one.get(tool), other.get(tool)) if gate is not None]
            profiles = [policy.profiles.get(tool) for policy in (old, new)]
            if len(gates) == 1 or profiles[0] != profiles[1] or _sentences(gates[0]) != _sentences(gates[1]):
                space = _space(agent, tool, gates, declared=None not in profiles)
                for profile in profiles if old.bounds or new.bounds else ():
                    _give_amounts(space, profile)
                spaces.append(space)
    return iter(sorted(spaces, key=lambda space: space.size))


def _give_amounts(space: Space, profile: ToolProfile | None) -> None:
    """Let a call name its amounts, at no cost: a budget of money denies one that does not, whatever the rules say."""
    for name in profile.amounts if profile is not None else ():
        if "." not in name:
            space.axes.setdefault(f"args.{name}", (0,))


def _sentences(gate: Gate) -> object:
    """All that a gate's answers depend on, in comparable form."""
    rights = [(item.id, item.risk, [constraint.text for constraint in item.constraints]) for item in gate.capabilities]
    rules = [
        (
            rule.effect,
            sorted(rule.obligations),
            terms_of(rule.approval),
            repr(rule.grants),
            _sentence(rule.condition),
        )
        for rule in gate.rules
    ]
    return rights, sorted(rules, key=repr)


def terms_of(requirement: ApprovalRequirement) -> str:
    """Say what a requirement takes, whatever rule it stands in.

    Args:
        requirement: The requirement.

    Returns:
        Text that is the same for requirements that take the same.
    """
    return requirement.model_copy(update={"rule": ""}).model_dump_json()


def _sentence(condition: Condition | None) -> object:
    if isinstance(condition, Group):
        return condition.text, sorted((_sentence(part) for part in condition.parts), key=repr)
    return "" if condition is None else condition.text


def _space(agent: str, tool: str, gates: Iterable[Gate], *, declared: bool) -> Space:
    space = Space(agent, tool)
    for path, tests in sorted(_tests(gates).items()):
        if path in _DERIVED:
            continue
        if path in _PROFILED | _ROLES:
            if path in _ROLES or not declared:  # otherwise the bundles say it, and no request can say otherwise
                space.gaps.append(f"{agent} and {tool}: {path} was not varied")
            continue
        if path == CEL:
            space.gaps.append(f"{agent} and {tool}: what a CEL expression reads was not varied")
            continue
        if path.startswith(_DOTTED):
            space.gaps.append(f"{agent} and {tool}: an argument with a dot in its name was not varied")
            continue
        if path.endswith(".sources"):
            space.axes[path] = list(_kinds(tests))
            continue
        closed = _closed(path)
        if closed is not None:
            space.axes[path] = closed
            continue
        found = witnesses(tests, optional=path.startswith(("args.", "environment.")))
        space.axes[path] = found.values
        if not found.complete:
            space.gaps.append(f"{agent} and {tool}: {path} is asked about its parts, so only samples of it were tried")
    return _with_containers(space)


def _closed(path: str) -> Sequence[object] | None:
    """Return all values of an attribute that has few."""
    if path in _TASK:
        return (True, False)
    return _LEVELS.get(path.rpartition(".")[2]) if path.startswith(("labels.", "context.")) else None


def _tests(gates: Iterable[Gate]) -> dict[str, list[Test]]:
    tests: dict[str, list[Test]] = {}
    for gate in gates:
        for capability in gate.capabilities:
            for constraint in capability.constraints:
                root = _DOTTED if "." in constraint.argument else "args."
                tests.setdefault(root + constraint.argument, []).append(constraint.test)
        for rule in gate.rules:
            for leaf in _leaves(rule.condition):
                tests.setdefault(leaf.attribute.path, []).append(leaf.test)
    return tests


def _leaves(condition: Condition | None) -> Iterator[Leaf]:
    if isinstance(condition, Group):
        for part in condition.parts:
            yield from _leaves(part)
    elif condition is not None and condition.test.operator != GRANTED_BY:
        yield condition


def _kinds(tests: Iterable[Test]) -> Iterator[tuple[str, ...]]:
    named = sorted({str(test.operand) for test in tests})
    for count in range(len(named) + 1):
        yield from itertools.combinations(named, count)


def _with_containers(space: Space) -> Space:
    """Where policy looks into an argument, the argument itself must be there, and may be of another kind."""
    for path in list(space.axes):
        keys = path.split(".")
        if keys[0] not in ("args", "environment") or len(keys) < 3:
            continue
        for depth in range(2, len(keys)):
            holder = ".".join(keys[:depth])
            asked = space.axes.get(holder, (MISSING, "another kind"))
            space.axes[holder] = [NESTED, *(value for value in asked if value is not NESTED)]
            if holder in space.axes and any(isinstance(value, dict) for value in asked):
                space.gaps.append(f"{space.agent} and {space.tool}: {holder} is asked about as a whole and in parts")
    return space
