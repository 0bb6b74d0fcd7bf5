"""The policy in force: the one place that the governor's services read it from, so that it can be exchanged.

Invariant: every question is answered by exactly one policy, the one in force when it was asked, and the answer carries
that policy's digest.
"""

from __future__ import annotations

from typing import NamedTuple

from aisecops_langchain.domain.decision import Decision, DecisionRequest
from aisecops_langchain.domain.effects import UNDECLARED, ToolProfile
from aisecops_langchain.policy.bounds import NO_BOUNDS, Bounds
from aisecops_langchain.policy.model import Limits
from aisecops_langchain.policy.protocol import DeclaresBounds, DeclaresTools, PolicyEngine


class _Known(NamedTuple):
    """An engine, and it again as what it turned out to be; whether it has a member is asked once, for it is costly."""

    engine: PolicyEngine
    tools: DeclaresTools | None
    bounds: DeclaresBounds | None


class PolicyInForce:
    """A policy engine that can be exchanged; assigning ``current`` is atomic.

    Args:
        policy: The first one.
    """

    def __init__(self, policy: PolicyEngine) -> None:
        self.current = policy

    @property
    def current(self) -> PolicyEngine:
        """The engine in force."""
        return self._known.engine

    @current.setter
    def current(self, policy: PolicyEngine) -> None:
        tools = policy if isinstance(policy, DeclaresTools) else None
        self._known = _Known(policy, tools, policy if isinstance(policy, DeclaresBounds) else None)

    @property
    def digest(self) -> str:
        """Digest of the policy in force."""
        return self.current.digest

    @property
    def agents(self) -> frozenset[str]:
        """The agents that it knows."""
        return self.current.agents

    @property
    def limits(self) -> Limits:
        """Its limits."""
        return self.current.limits

    @property
    def reveal(self) -> frozenset[str]:
        """What it lets the log show."""
        return self.current.reveal

    @property
    def asks_task(self) -> bool:
        """Whether it wants to know what the user's words ask for."""
        tools = self._known.tools
        return tools is not None and tools.asks_task

    @property
    def bounds(self) -> Bounds:
        """Its budgets and its bound on the risk of chains."""
        known = self._known.bounds
        return NO_BOUNDS if known is None else known.bounds

    def profile(self, tool: str, declared: ToolProfile | None = None) -> ToolProfile:
        """Return what a tool does, as it says.

        Args:
            tool: The tool's name.
            declared: What the tool's own code declares.

        Returns:
            Its declaration; where it makes none, the code's, or else the worst.
        """
        known = self._known.tools
        return declared or UNDECLARED if known is None else known.profile(tool, declared)

    def decide(self, request: DecisionRequest) -> Decision:
        """Ask it.

        Args:
            request: What is asked.

        Returns:
            Its decision.
        """
        return self.current.decide(request)

    def idempotent(self, tool: str) -> bool:
        """Ask it whether a tool may be run again.

        Args:
            tool: The tool's name.

        Returns:
            Its answer.
        """
        return self.current.idempotent(tool)
