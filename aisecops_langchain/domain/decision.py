"""What is asked of policy and what it answers.

Invariant: an effect is never absent; code that cannot decide answers ``deny``. Approval is an effect of its own,
not an obligation on an allow, so that a careless ``if allowed`` still fails closed.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.grant import GrantTerms
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.task import NO_TASK, TaskStanding
from aisecops_langchain.domain.usage import ChainStep, Share, Usage


class Effect(StrEnum):
    """What policy answers; combined as deny, then require_approval, then allow, then deny by default."""

    DENY = "deny"
    REQUIRE_APPROVAL = "require_approval"
    ALLOW = "allow"


class Obligation(StrEnum):
    """What the enforcement point must do along with an allow; one it cannot do turns the allow into a deny."""

    REDACT_PII_IN_RESULT = "redact_pii_in_result"


class Reason(Frozen):
    """One link of the chain that led to a decision."""

    code: str
    """Stable and machine readable: ``default_deny``, ``rule``, ``unknown_tool``, ``argument_constraint`` ..."""
    message: str
    rule: str | None = None


class Stage(StrEnum):
    """The gate that settled a decision."""

    CAPABILITY = "capability"
    ARGUMENTS = "arguments"
    RULES = "rules"
    DELEGATION = "delegation"
    """The agent's own rules let it pass, a delegator or a warrant did not."""
    BOUNDS = "bounds"
    """The rules let it pass, a budget or the risk of the chain did not."""
    DEFINITION = "definition"
    """The tool's definition is not the one that a person pinned."""
    STOP = "stop"
    """A person stopped the run, the agent, the tenant or a warrant."""


class DecisionRequest(Frozen):
    """Everything a decision may depend on, and nothing else; recorded, it can be decided again."""

    principal: Principal
    call: CanonicalCall
    context: Label
    arguments: dict[str, Label] = Field(default_factory=dict)
    """Label of each top-level argument; one that is missing takes the context's label."""
    methods: dict[str, str] = Field(default_factory=dict)
    """How each argument was traced; one that is missing was not."""
    profile: ToolProfile | None = None
    """What the tool's own code declares; counts only for a tool that the bundle does not declare."""
    task: TaskStanding = NO_TASK
    environment: dict[str, JsonValue] = Field(default_factory=dict)
    """Facts from configuration (deployment, time window ...), never from content."""
    usage: Usage | None = None
    """What was used so far, counted by the ledger; needed where policy has budgets or bounds the risk of a chain."""


class Decision(Frozen):
    """The answer to one request."""

    effect: Effect
    stage: Stage
    policy: str
    """Digest of the bundle that decided."""
    capability: str | None = None
    """The capability that granted the tool, where one did."""
    risk: str = "critical"
    """Risk class of that capability; the worst where there is none."""
    rules: tuple[str, ...] = ()
    """Ids of every rule that matched or erred, sorted."""
    reasons: tuple[Reason, ...]
    obligations: frozenset[Obligation] = frozenset()
    approvals: tuple[ApprovalRequirement, ...] = ()
    """What a person's yes takes, rule by rule, where any rule says more than the default; all must be met."""
    demand: dict[str, int] = Field(default_factory=dict)
    """What the call would take from each budget, in the smallest unit of its measure."""
    shares: tuple[Share, ...] = ()
    """What the call would take below the ceilings of its warrant."""
    chain: ChainStep | None = None
    """What the call would add to the risk of its chain."""
    grants: GrantTerms | None = None
    """What an approver of the call may grant beside his yes, and standing grants for it must keep to."""

    @property
    def allowed(self) -> bool:
        """Whether the call may run without a person."""
        return self.effect is Effect.ALLOW
