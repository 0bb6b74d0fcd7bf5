"""The shape of a policy bundle: agents, capabilities, rules, limits and what the log may reveal.

Invariant: a bundle is closed and frozen; whatever is empty, unknown or of another type is refused, and its
normalised form reads back as the same bundle.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final, Self, TypeVar

from pydantic import AfterValidator, Field, JsonValue, PositiveInt, model_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect, Obligation
from aisecops_langchain.domain.effects import Seconds, ToolProfile
from aisecops_langchain.domain.grant import GrantTerms
from aisecops_langchain.policy.approval_model import GIVEN, ApprovalTerms
from aisecops_langchain.policy.bounds_model import Budget, ChainRisk

EVERY_TOOL: Final = "*"
"""Stands for all tools, as the only entry of a rule's ``tools``."""

_Item = TypeVar("_Item", bound=str)


class Risk(StrEnum):
    """How bad a misuse of a capability would be, from least to worst."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Position in the order; higher is worse."""
        return _RISK_RANK[self]


_RISK_RANK: Final = {risk: rank for rank, risk in enumerate(Risk)}


def _name(value: str) -> str:
    if value == EVERY_TOOL or not 0 < len(value) <= 128 or not value.isprintable() or " " in value:
        raise ValueError("a name must be 1 to 128 visible characters without spaces, and not '*'")
    return value


def _tool_pattern(value: str) -> str:
    return value if value == EVERY_TOOL else _name(value)


def _sole_star(values: tuple[str, ...]) -> tuple[str, ...]:
    if EVERY_TOOL in values and len(values) > 1:
        raise ValueError("'*' must be the only entry of tools")
    return values


def _distinct(values: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if len(set(values)) != len(values):
        raise ValueError("an entry stands there twice")
    return tuple(sorted(values))


Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_distinct)]
RuleTools = Annotated[
    tuple[Annotated[str, AfterValidator(_tool_pattern)], ...],
    Field(min_length=1),
    AfterValidator(_distinct),
    AfterValidator(_sole_star),
]


class Agent(Frozen):
    """What one agent may do at most."""

    capabilities: Annotated[tuple[Name, ...], AfterValidator(_distinct)]
    """Capabilities that it holds; none at all means that it may do nothing."""


class Capability(Frozen):
    """A named right to call some tools with some arguments."""

    tools: Names
    risk: Risk = Risk.HIGH
    idempotent: bool = False
    """Whether its tools may be run again after a crash left their effect unknown."""
    arguments: dict[Name, dict[str, JsonValue]] = Field(default_factory=dict, min_length=1)
    """Constraints per top-level argument; all must hold."""


class Rule(Frozen):
    """One sentence of policy."""

    id: Name
    effect: Effect
    description: str = Field(default="", min_length=1, max_length=1000)
    tools: RuleTools = ()
    capabilities: Names = ()
    agents: Names = ()
    """Agents that it is about; left out, all of them."""
    when: dict[str, JsonValue] = Field(default_factory=dict, min_length=1)
    """Conditions that must all hold; left out, the rule always matches."""
    obligations: Annotated[tuple[Obligation, ...], Field(min_length=1), AfterValidator(_distinct)] = ()
    grants: GrantTerms | None = None
    """What an approver may grant beside his yes; left out, nothing."""
    approval: Annotated[ApprovalTerms | None, GIVEN] = None
    """What a person's yes takes, where the rule asks for one."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.tools and not self.capabilities:
            raise ValueError(f"rule {self.id!r} names neither tools nor capabilities")
        if self.effect is Effect.DENY and self.obligations:
            raise ValueError(f"rule {self.id!r} denies, so it cannot carry obligations")
        if "grants" in self.model_fields_set:
            self._permits_grants(self.grants)
        if self.approval is not None and self.effect is not Effect.REQUIRE_APPROVAL:
            raise ValueError(f"rule {self.id!r} asks nobody, so it cannot say what an approval takes")
        return self

    def _permits_grants(self, grants: GrantTerms | None) -> None:
        if grants is None:
            raise ValueError("'grants' is empty; fill it in, or leave it out")
        given = grants.model_dump(exclude_unset=True)
        if self.effect is not Effect.REQUIRE_APPROVAL:
            raise ValueError(f"rule {self.id!r} asks nobody, so it cannot permit grants")
        if any(item in (None, (), {}) for item in given.values()):
            raise ValueError(f"grants of rule {self.id!r} have an empty entry; fill it in, or leave it out")
        if set(grants.any) & (grants.up_to or {}).keys():
            raise ValueError(f"grants of rule {self.id!r} name an argument twice")


class Limits(Frozen):
    """Bounds that the runtime enforces."""

    permit_ttl_seconds: PositiveInt = 300
    approval_ttl_seconds: PositiveInt = 86_400
    max_repeated_denials: PositiveInt = 3
    """How often one run may propose the same denied call."""
    max_denials_per_run: PositiveInt = 20
    max_calls_per_plan: PositiveInt = 32
    tool_timeout_seconds: Seconds | None = None
    """How long is waited for a tool whose profile does not say; left out, as long as it takes."""


class Record(Frozen):
    """What the audit log may show."""

    reveal: Names = ()
    """``tool.argument`` entries whose values may be logged even when they look like personal data."""


def _spelled_out(profile: ToolProfile) -> ToolProfile:
    """Refuse empty entries: in a bundle, what says nothing is left out."""
    given = profile.model_dump(exclude_unset=True)
    if any(item in ((), {}) for item in (*given.values(), *given.get("results", {}).values())):
        raise ValueError("a profile has an empty entry; fill it in, or leave it out")
    return profile


Declaration = Annotated[ToolProfile, AfterValidator(_spelled_out)]


class Outside(StrEnum):
    """What becomes of a call that the user's own words did not ask for."""

    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"
    IGNORE = "ignore"


class TaskBounds(Frozen):
    """Whether the user's request bounds the run."""

    outside: Outside


class StandardRule(StrEnum):
    """Rules that ship ready-made; ``standard`` expands them."""

    RULE_OF_TWO = "rule_of_two"


class Bundle(Frozen):
    """A whole policy."""

    version: int = Field(ge=1, le=1)
    id: Name
    agents: dict[Name, Agent] = Field(min_length=1)
    capabilities: dict[Name, Capability] = Field(min_length=1)
    rules: tuple[Rule, ...] = Field(min_length=1)
    """As written; ``standard.rules_of`` adds what the sections below stand for."""
    profiles: dict[Name, Declaration] = Field(default_factory=dict, min_length=1, alias="tools")
    """Effect profile of each declared tool."""
    standard_rules: Annotated[tuple[StandardRule, ...], Field(min_length=1), AfterValidator(_distinct)] = ()
    task_scope: TaskBounds | None = None
    budgets: dict[Name, Budget] = Field(default_factory=dict, min_length=1)
    chain_risk: ChainRisk | None = None
    limits: Limits = Limits()
    record: Record = Record()

    def tools(self) -> frozenset[str]:
        """Return every tool that some capability grants."""
        return frozenset(tool for capability in self.capabilities.values() for tool in capability.tools)

    def held_tools(self, agent: str) -> frozenset[str]:
        """Return every tool that the agent's capabilities grant.

        Args:
            agent: A known agent.

        Returns:
            The names of the tools.
        """
        held = self.agents[agent].capabilities
        return frozenset(tool for capability in held for tool in self.capabilities[capability].tools)

    def targets(self, rule: Rule) -> frozenset[tuple[str, str]]:
        """Return the (agent, tool) pairs that a rule is about and that a capability makes possible.

        Args:
            rule: One of the bundle's rules.

        Returns:
            The pairs; none means that the rule can never apply.
        """
        return frozenset((agent, tool) for agent in rule.agents or self.agents for tool in self._tools_of(rule, agent))

    def _tools_of(self, rule: Rule, agent: str) -> Iterator[str]:
        """A rule that restricts takes a capability for its tools; one that allows needs the agent to hold it."""
        named = set(rule.capabilities)
        if rule.effect is Effect.ALLOW:
            named &= set(self.agents[agent].capabilities)
        through = {tool for capability in named for tool in self.capabilities[capability].tools}
        for tool in self.held_tools(agent):
            if rule.tools == (EVERY_TOOL,) or tool in rule.tools or tool in through:
                yield tool

    def normalised(self) -> dict[str, JsonValue]:
        """Return the content that the digest covers: defaults spelled out, rules in order of id, nothing empty."""
        content = self.model_dump(mode="json", by_alias=True)
        content["capabilities"] = {name: _filled(item) for name, item in content["capabilities"].items()}
        content["rules"] = [_filled_rule(item) for item in sorted(self.rules, key=lambda item: item.id)]
        content["record"] = _filled(content["record"])
        content["limits"] = _filled(content["limits"])
        content["tools"] = {name: _filled_profile(item) for name, item in content["tools"].items()}
        content["budgets"] = {name: _filled(item) for name, item in content["budgets"].items()}
        if content["chain_risk"] is not None:
            content["chain_risk"] = _filled(content["chain_risk"])
        return _filled(content)


def _filled_rule(rule: Rule) -> dict[str, JsonValue]:
    content: dict[str, JsonValue] = rule.model_dump(mode="json", exclude={"approval", "grants"})
    content["approval"] = rule.approval.normalised() if rule.approval else {}
    content["grants"] = _filled(rule.grants.model_dump(mode="json", exclude_none=True)) if rule.grants else {}
    return _filled(content)


def _filled_profile(item: dict[str, JsonValue]) -> dict[str, JsonValue]:
    results = item["results"]
    return _filled({**item, "results": _filled(results) if isinstance(results, dict) else results})


def _filled(item: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Leave out what was left out: an empty key in a bundle would be refused."""
    return {key: value for key, value in item.items() if value not in ("", [], {}, None)}
