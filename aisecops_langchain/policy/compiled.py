"""The bundle as the engine reads it: per agent and tool, the capabilities and rules that matter, in a fixed order.

Invariant: nothing depends on the order of the file, and nothing changes after it was built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import JsonValue

from aisecops_langchain.domain.decision import Effect, Obligation, Reason
from aisecops_langchain.policy.attributes import Attribute, Facts
from aisecops_langchain.policy.conditions import Condition, Leaf, Predicate, all_of
from aisecops_langchain.policy.constraints import Constraint
from aisecops_langchain.policy.model import EVERY_TOOL, Bundle, Risk, Rule
from aisecops_langchain.policy.operators import Test


@dataclass(frozen=True, slots=True)
class CompiledCapability:
    """A capability with its compiled constraints."""

    id: str
    risk: str
    """Value of ``model.Risk``."""
    idempotent: bool
    constraints: tuple[Constraint, ...]

    def violations(self, arguments: Mapping[str, JsonValue]) -> tuple[Reason, ...]:
        """Check every constraint.

        Args:
            arguments: Arguments of the call.

        Returns:
            One reason per constraint that does not hold.
        """
        checked = (constraint.check(arguments) for constraint in self.constraints)
        return tuple(reason for reason in checked if reason is not None)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its compiled condition."""

    id: str
    effect: Effect
    description: str
    condition: Condition | None
    """None matches always."""
    holds: Predicate
    matched: Reason
    obligations: frozenset[Obligation]


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands between one agent and one tool."""

    capabilities: tuple[CompiledCapability, ...]
    """Worst risk first, then by id: the first that is met grants the call."""
    rules: tuple[CompiledRule, ...]
    """By id."""


@dataclass(frozen=True, slots=True)
class Index:
    """All gates of a policy."""

    digest: str
    gates: Mapping[str, Mapping[str, Gate]]
    """By agent, then by tool."""
    granting: Mapping[str, tuple[CompiledCapability, ...]]
    """Every capability that grants a tool, whoever holds it; worst risk first."""

    def risk(self, tool: str) -> str:
        """Return the worst risk of the capabilities that grant a tool.

        Args:
            tool: The tool's name.

        Returns:
            The risk; critical for a tool that no capability grants.
        """
        granting = self.granting.get(tool)
        return granting[0].risk if granting else Risk.CRITICAL.value


def build_index(
    bundle: Bundle,
    digest: str,
    constraints: Mapping[str, tuple[Constraint, ...]],
    conditions: Mapping[str, Condition | None],
) -> Index:
    """Arrange a checked bundle by agent and tool.

    Args:
        bundle: The bundle.
        digest: Its digest.
        constraints: Compiled constraints by capability.
        conditions: Compiled ``when`` by rule.

    Returns:
        The index.
    """
    capabilities = _by_risk(
        CompiledCapability(name, item.risk.value, item.idempotent, constraints[name])
        for name, item in bundle.capabilities.items()
    )
    granting = {
        tool: tuple(item for item in capabilities if tool in bundle.capabilities[item.id].tools)
        for tool in sorted(bundle.tools())
    }
    rules = [(_compile_rule(rule, conditions[rule.id]), bundle.targets(rule)) for rule in _by_id(bundle.rules)]
    gates = {
        agent: MappingProxyType(
            {
                tool: Gate(
                    capabilities=tuple(item for item in granting[tool] if item.id in bundle.agents[agent].capabilities),
                    rules=tuple(rule for rule, targets in rules if (agent, tool) in targets),
                )
                for tool in sorted(bundle.held_tools(agent))
            }
        )
        for agent in bundle.agents
    }
    return Index(digest=digest, gates=MappingProxyType(gates), granting=MappingProxyType(granting))


def _by_risk(capabilities: Iterable[CompiledCapability]) -> list[CompiledCapability]:
    return sorted(capabilities, key=lambda item: (-Risk(item.risk).rank, item.id))


def _by_id(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: rule.id)


def _compile_rule(rule: Rule, when: Condition | None) -> CompiledRule:
    condition = _with_grant(rule, when)
    message = f"rule {rule.id!r} matched: {rule.effect.value}"
    return CompiledRule(
        id=rule.id,
        effect=rule.effect,
        description=rule.description,
        condition=condition,
        holds=_always if condition is None else condition.holds,
        matched=Reason(
            code="rule", message=f"{message} ({rule.description})" if rule.description else message, rule=rule.id
        ),
        obligations=frozenset(rule.obligations),
    )


def _always(_facts: Facts) -> bool:
    return True


def _with_grant(rule: Rule, when: Condition | None) -> Condition | None:
    """An allow for a capability is for calls which that capability grants, not for all uses of its tools."""
    if rule.effect is not Effect.ALLOW or not rule.capabilities or rule.tools == (EVERY_TOOL,):
        return when
    capabilities, tools = frozenset(rule.capabilities), frozenset(rule.tools)

    def holds(facts: Facts) -> bool:
        return facts.request.call.tool in tools or not capabilities.isdisjoint(facts.granted)

    named: list[JsonValue] = [*rule.capabilities]
    grant = Leaf(
        attribute=Attribute("capability", lambda facts: facts.granted, frozenset()),
        test=Test("granted_by", named, lambda _value: False),
        holds=holds,
    )
    return grant if when is None else all_of([grant, when])
