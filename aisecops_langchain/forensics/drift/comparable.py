"""Whether what was counted and read for one policy answers the questions of another.

Invariant: a counter counts for another policy only where both count the same thing in the same way; only how much is
too much may differ.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.domain.decision import DecisionRequest
from aisecops_langchain.policy import Policy
from aisecops_langchain.policy.bounds_model import Budget, ChainRisk, Measure

_LIMITS: Final = {"limit", "beyond"}
_THRESHOLDS: Final = {"approval_at", "halt_at"}
_BY_PROFILE: Final = frozenset({Measure.WRITES, Measure.SPEND, Measure.RECIPIENTS})


def usage_answers(policy: Policy, recorded: Policy | None, request: DecisionRequest) -> bool:
    """Tell whether the recorded usage is what a policy would have been told.

    Args:
        policy: The policy that asks.
        recorded: The policy under which it was counted; ``None`` if that is not at hand.
        request: The recorded request.

    Returns:
        True where the policy has no bounds, or bounds the same measures.
    """
    if not policy.bounds:
        return True
    if recorded is None or request.usage is None:
        return False
    theirs, ours = recorded.bounds, policy.bounds
    if not _same_chain(theirs.chain, ours.chain):
        return False
    if any(not _same_measure(theirs.budgets.get(name), item) for name, item in ours.budgets.items()):
        return False
    by_profile = any(item.measure in _BY_PROFILE for item in ours.budgets.values())
    return not by_profile or policy.profiles == recorded.profiles


def task_answers(policy: Policy, recorded: Policy | None, request: DecisionRequest) -> bool:
    """Tell whether the recorded standing to the user's words is what a policy would have been told.

    Args:
        policy: The policy that asks.
        recorded: The policy for which the words were read; ``None`` if that is not at hand.
        request: The recorded request.

    Returns:
        True where both take the tool for the same, and the words were read.
    """
    if recorded is None or not recorded.asks_task:
        return False
    tool, declared = request.call.tool, request.profile
    return policy.profile(tool, declared).effects == recorded.profile(tool, declared).effects


def _same_measure(theirs: Budget | None, ours: Budget) -> bool:
    return theirs is not None and theirs.model_dump(exclude=_LIMITS) == ours.model_dump(exclude=_LIMITS)


def _same_chain(theirs: ChainRisk | None, ours: ChainRisk | None) -> bool:
    if ours is None:
        return True
    return theirs is not None and theirs.model_dump(exclude=_THRESHOLDS) == ours.model_dump(exclude=_THRESHOLDS)
