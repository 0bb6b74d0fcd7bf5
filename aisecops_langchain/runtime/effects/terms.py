"""The terms of one effect: how long is waited for its tool, and how often it may be tried.

Invariant: a tool is tried more than once only if policy declares it idempotent, and never beyond its deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.policy.model import Limits
from aisecops_langchain.runtime.decisions.budgets import Budgets
from aisecops_langchain.runtime.policies.in_force import PolicyInForce

_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one effect."""

    timeout_seconds: float | None = None
    """For all attempts and the pauses between them; ``None`` waits as long as it takes."""
    attempts: int = 1
    backoff_seconds: float = 0.0
    """Pause before the second attempt; it doubles with each further one."""

    def pause_after(self, attempt: int) -> float | None:
        """Tell how long to wait before one more attempt.

        Args:
            attempt: How often the tool was tried under these terms.

        Returns:
            Seconds, or ``None`` if it may not be tried again.
        """
        return None if attempt >= self.attempts else self.backoff_seconds * 2.0 ** (attempt - 1)


UNBOUNDED = Terms()
"""One attempt that takes as long as it takes."""


def terms_of(profile: ToolProfile, limits: Limits, *, idempotent: bool, seconds_left: float | None) -> Terms:
    """Read the terms off what policy declares.

    Args:
        profile: What the tool does.
        limits: The limits of the policy.
        idempotent: Whether policy declares that it may be run again.
        seconds_left: What is left of the run's wall-clock budgets; ``None`` where there is none.

    Returns:
        The terms.
    """
    named = profile.timeout_seconds or limits.tool_timeout_seconds
    left = None if seconds_left is None else max(seconds_left, _LEAST_SECONDS)
    bounds = [item for item in (named, left) if item is not None]
    timeout = min(bounds) if bounds else None
    retries = profile.retries if idempotent else None
    return Terms(timeout) if retries is None else Terms(timeout, retries.attempts, retries.backoff_seconds)


class TermSheet:
    """Tells the terms of tools under the policy in force.

    Args:
        policy: The policy in force.
        budgets: Knows what is left of wall-clock budgets.
    """

    def __init__(self, policy: PolicyInForce, budgets: Budgets) -> None:
        self._policy = policy
        self._budgets = budgets

    def of(self, tool: str, scope: Scope, declared: ToolProfile | None = None) -> Terms:
        """Tell how long is waited for a tool, and how often it may be tried.

        Args:
            tool: The tool's name.
            scope: Where it runs.
            declared: What the tool's own code declares.

        Returns:
            The terms.

        Raises:
            LedgerError: If the run's wall time cannot be told.
        """
        left = self._budgets.seconds_left(self._policy.bounds, scope)
        profile, idempotent = self._policy.profile(tool, declared), self._policy.idempotent(tool)
        return terms_of(profile, self._policy.limits, idempotent=idempotent, seconds_left=left)
