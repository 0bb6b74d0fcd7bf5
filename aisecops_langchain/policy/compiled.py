"""The bundle as the engine reads it: per agent and tool, the capabilities and rules that matter, in a fixed order.

Invariant: nothing depends on the order of the file, and no answer changes after it was built; the only thing that
grows is a bounded memory of decisions that are functions of the rules that matched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from pydantic import JsonValue

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, ApprovalRequirement
from aisecops_langchain.domain.decision import Decision, Effect, Obligation, Reason
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.grant import GrantTerms
from aisecops_langchain.policy.attributes import Attribute, Facts
from aisecops_langchain.policy.conditions import GRANTED_BY, Condition, Leaf, Predicate, all_of
from aisecops_langchain.policy.constraints import Constraint
from aisecops_langchain.policy.model import EVERY_TOOL, Bundle, Risk, Rule
from aisecops_langchain.policy.operators import Accepts, Test

MAX_COMBINED: Final = 256
"""Decisions remembered per agent and tool; a caller who varies the rules that match must not fill the memory."""


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
        return tuple([reason for constraint in self.constraints if (reason := constraint.check(arguments)) is not None])


class CapabilityCheck(NamedTuple):
    """One held capability and the constraints that the call violates."""

    capability: CompiledCapability
    violations: tuple[Reason, ...]


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
    grants: GrantTerms | None = None
    """What an approver may grant, where it asks for one."""
    approval: ApprovalRequirement = DEFAULT_REQUIREMENT
    """What a person's yes takes, where the rule asks for one."""


class Judgement(NamedTuple):
    """One rule that matched or erred."""

    rule: CompiledRule
    effect: Effect
    """What it contributes: its own effect, or deny if it erred."""
    reason: Reason


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands between one agent and one tool."""

    capabilities: tuple[CompiledCapability, ...]
    """Worst risk first, then by id: the first that is met grants the call."""
    rules: tuple[CompiledRule, ...]
    """By id."""
    all_met: tuple[CapabilityCheck, ...]
    """The outcome of ``check`` where no constraint is violated, which is the usual one."""
    names: frozenset[str]
    """Ids of the capabilities."""
    demands: tuple[tuple[str, Accepts], ...]
    """Every constraint of every capability, as argument and test."""
    questions: tuple[tuple[Predicate, Judgement], ...]
    """The condition of every rule, and what is judged where it holds."""
    profile: ToolProfile | None
    """What the tool does, where the bundle declares it."""
    combined: dict[tuple[str, ...], Decision] = field(default_factory=dict, repr=False, compare=False)
    """Decisions that follow from which capability granted and which rules matched alone; at most ``MAX_COMBINED``."""

    @classmethod
    def of(
        cls,
        capabilities: tuple[CompiledCapability, ...],
        rules: tuple[CompiledRule, ...],
        profile: ToolProfile | None,
    ) -> Gate:
        """Make a gate.

        Args:
            capabilities: Those of the agent that grant the tool, worst risk first.
            rules: Those for both, by id.
            profile: What the bundle declares of the tool.

        Returns:
            The gate.
        """
        return cls(
            capabilities=capabilities,
            rules=rules,
            all_met=tuple(CapabilityCheck(item, ()) for item in capabilities),
            names=frozenset(item.id for item in capabilities),
            demands=tuple((one.argument, one.test.accepts) for item in capabilities for one in item.constraints),
            questions=tuple((rule.holds, Judgement(rule, rule.effect, rule.matched)) for rule in rules),
            profile=profile,
        )

    def check(self, arguments: Mapping[str, JsonValue]) -> tuple[CapabilityCheck, ...]:
        """Check the constraints of every capability.

        Args:
            arguments: Arguments of the call.

        Returns:
            One check per capability, in their order.
        """
        if self._all_hold(arguments):
            return self.all_met
        violations = [item.violations(arguments) for item in self.capabilities]
        if not any(violations):
            return self.all_met
        return tuple(map(CapabilityCheck, self.capabilities, violations))

    def _all_hold(self, arguments: Mapping[str, JsonValue]) -> bool:
        """Tell in one go whether nothing is violated; if anything at all is amiss, the constraints say what."""
        try:
            for argument, accepts in self.demands:
                if not accepts(arguments[argument]):
                    return False
        except Exception:  # noqa: BLE001 - a missing argument, or whatever a test raises
            return False
        return True


@dataclass(frozen=True, slots=True)
class Index:
    """All gates of a policy."""

    digest: str
    gates: Mapping[str, Mapping[str, Gate]]
    """By agent, then by tool."""
    granting: Mapping[str, tuple[CompiledCapability, ...]]
    """Every capability that grants a tool, whoever holds it; worst risk first."""
    effects: Mapping[str, Effect]
    """By rule."""
    profiles: Mapping[str, ToolProfile]
    """Declared effect profiles by tool."""

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
                tool: Gate.of(
                    tuple(item for item in granting[tool] if item.id in bundle.agents[agent].capabilities),
                    tuple(rule for rule, targets in rules if (agent, tool) in targets),
                    bundle.profiles.get(tool),
                )
                for tool in sorted(bundle.held_tools(agent))
            }
        )
        for agent in bundle.agents
    }
    return Index(
        digest=digest,
        gates=MappingProxyType(gates),
        granting=MappingProxyType(granting),
        effects=MappingProxyType({rule.id: rule.effect for rule in bundle.rules}),
        profiles=bundle.profiles,
    )


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
        grants=rule.grants,
        approval=rule.approval.requirement(rule.id) if rule.approval else DEFAULT_REQUIREMENT,
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
        test=Test(GRANTED_BY, named, lambda _value: False),
        holds=holds,
    )
    return grant if when is None else all_of([grant, when])
