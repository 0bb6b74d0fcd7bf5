"""What the runtime needs of whatever decides: one protocol for our own bundles and for other engines.

Invariant: an engine that cannot decide answers deny; it never raises on a request, and its digest changes whenever
an answer could.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Reason, Stage
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.inspection import DEFAULT_INSPECTION, Inspection
from aisecops_langchain.policy.bounds import Bounds
from aisecops_langchain.policy.model import Limits
from aisecops_langchain.policy.problems import UNKNOWN_ORIGIN, Origin


@runtime_checkable
class PolicyEngine(Protocol):
    """A policy decision point."""

    @property
    def id(self) -> str:
        """Name of the policy."""

    @property
    def digest(self) -> str:
        """Digest over everything that answers depend on; bound into every permit and approval."""

    @property
    def limits(self) -> Limits:
        """Bounds that the runtime enforces."""

    @property
    def reveal(self) -> frozenset[str]:
        """``tool.argument`` entries whose values may be logged even when they look like personal data."""

    @property
    def agents(self) -> frozenset[str]:
        """The agents that it knows."""

    @property
    def tools(self) -> frozenset[str]:
        """The tools that it knows."""

    def decide(self, request: DecisionRequest) -> Decision:
        """Decide a request; never raises.

        Args:
            request: What is asked.

        Returns:
            The decision, under this engine's digest.
        """

    def idempotent(self, tool: str) -> bool:
        """Tell whether a tool may be run again after a crash.

        Args:
            tool: The tool's name.
        """

    def risk(self, tool: str) -> str:
        """Return the worst risk class of a tool.

        Args:
            tool: The tool's name.
        """

    def requires_approval_possible(self) -> bool:
        """Tell whether any answer may be to ask a person."""


@runtime_checkable
class DeclaresTools(Protocol):
    """What an engine may add: what tools do, and whether any rule asks what the user's words ask for."""

    @property
    def asks_task(self) -> bool:
        """Whether a decision may depend on the task scope."""

    def profile(self, tool: str, declared: ToolProfile | None = None) -> ToolProfile:
        """Return what a tool does.

        Args:
            tool: The tool's name.
            declared: What the tool's own code declares.
        """


@runtime_checkable
class DeclaresBounds(Protocol):
    """What an engine may add: budgets and the risk of chains."""

    @property
    def bounds(self) -> Bounds:
        """What bounds a call beside the rules."""


@runtime_checkable
class DeclaresInspection(Protocol):
    """What an engine may add: how content is inspected."""

    @property
    def inspection(self) -> Inspection:
        """What its bundle says."""

    @property
    def origin(self) -> Origin:
        """Where it was read from; paths in it begin there."""


def inspection_of(policy: PolicyEngine) -> Inspection:
    """Return what a policy says about content.

    Args:
        policy: Any engine.

    Returns:
        Its own word, or the defaults where it has none.
    """
    return policy.inspection if isinstance(policy, DeclaresInspection) else DEFAULT_INSPECTION


def origin_of(policy: PolicyEngine) -> Origin:
    """Return where a policy was read from, as far as that is known.

    Args:
        policy: Any engine.

    Returns:
        The file and its lines.
    """
    return policy.origin if isinstance(policy, DeclaresInspection) else UNKNOWN_ORIGIN


class Suspended:
    """Stands in for a policy whose next version cannot be read: it denies everything.

    Its digest differs from that of the policy that it stands in for, so nothing that was permitted or approved
    under that one is good while it stands.

    Args:
        before: The policy that was in force.
        fault: Why nothing can be decided; told in every decision, so it must hold no secret.
    """

    def __init__(self, before: PolicyEngine, fault: str) -> None:
        self.id = before.id
        self.digest = digest("policy", ["suspended", before.digest])
        self.limits = before.limits
        self.reveal = frozenset[str]()
        self.agents = before.agents
        self.tools = before.tools
        self.inspection = inspection_of(before)
        self.origin = origin_of(before)
        self._reason = Reason(code="policy_unusable", message=f"the policy in force cannot be read: {fault}")

    def decide(self, request: DecisionRequest) -> Decision:  # noqa: ARG002 - every request gets the same answer
        """Deny.

        Args:
            request: What is asked.

        Returns:
            A deny with code ``policy_unusable``.
        """
        return Decision(effect=Effect.DENY, stage=Stage.CAPABILITY, policy=self.digest, reasons=(self._reason,))

    def idempotent(self, tool: str) -> bool:  # noqa: ARG002 - no tool is
        """Tell whether a tool may be run again: no."""
        return False

    def risk(self, tool: str) -> str:  # noqa: ARG002 - every tool is
        """Return the worst risk."""
        return "critical"

    def requires_approval_possible(self) -> bool:
        """Tell whether a person may be asked: no."""
        return False
