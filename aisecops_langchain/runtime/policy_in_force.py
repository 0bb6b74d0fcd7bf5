"""The policy in force: the one place that the governor's services read it from, so that it can be exchanged.

Invariant: every question is answered by exactly one policy, the one in force when it was asked, and the answer carries
that policy's digest.
"""

from __future__ import annotations

from aisecops_langchain.domain.decision import Decision, DecisionRequest
from aisecops_langchain.domain.effects import UNDECLARED, ToolProfile
from aisecops_langchain.policy.bounds import NO_BOUNDS, Bounds
from aisecops_langchain.policy.model import Limits
from aisecops_langchain.policy.protocol import DeclaresBounds, DeclaresTools, PolicyEngine


class PolicyInForce:
    """A policy engine that can be exchanged; assigning ``current`` is atomic.

    Args:
        policy: The first one.
    """

    def __init__(self, policy: PolicyEngine) -> None:
        self.current = policy

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
        current = self.current
        return isinstance(current, DeclaresTools) and current.asks_task

    @property
    def bounds(self) -> Bounds:
        """Its budgets and its bound on the risk of chains."""
        current = self.current
        return current.bounds if isinstance(current, DeclaresBounds) else NO_BOUNDS

    def profile(self, tool: str, declared: ToolProfile | None = None) -> ToolProfile:
        """Return what a tool does, as it says.

        Args:
            tool: The tool's name.
            declared: What the tool's own code declares.

        Returns:
            Its declaration; where it makes none, the code's, or else the worst.
        """
        current = self.current
        return current.profile(tool, declared) if isinstance(current, DeclaresTools) else declared or UNDECLARED

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
