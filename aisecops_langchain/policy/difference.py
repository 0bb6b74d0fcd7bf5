"""Finds a request that two policies decide differently, or shows that there is none.

Invariant: a difference is a concrete request on which both policies were asked, so it is never wrong. That none exists
is said only after one witness of every class of requests was tried: per agent and tool, every combination of values
of the attributes that either policy reads there. Where that space is larger than the bound, or a text predicate has no
complete set of witnesses, the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.policy.bounds import NO_BOUNDS
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.samples import requests_of
from aisecops_langchain.policy.spaces import Space, spaces_of, terms_of

MAX_REQUESTS: Final = 100_000
"""Requests tried per comparison unless said otherwise."""


class Difference(Frozen):
    """What comparing two policies came to."""

    request: DecisionRequest | None = None
    """A request that they decide differently; none if none was found."""
    old: Decision | None = None
    new: Decision | None = None
    exhaustive: bool
    """Whether the absence of a difference was shown, not only not refuted."""
    tried: int
    """How many requests both were asked."""
    gaps: tuple[str, ...] = ()
    """Why the search was not exhaustive."""
    settings: tuple[str, ...] = ()
    """Differences that no request shows: limits, what the log reveals, which tools are idempotent."""

    @property
    def equal(self) -> bool:
        """Whether the two policies are shown to be the same in effect."""
        return self.request is None and self.exhaustive and not self.settings


def difference(old: Policy, new: Policy, *, max_requests: int = MAX_REQUESTS) -> Difference:
    """Compare what two policies decide.

    Args:
        old: One policy.
        new: The other.
        max_requests: How many requests may be tried altogether.

    Returns:
        A request with two different answers, or whether there is none.
    """
    tried, gaps = 0, []
    for space in spaces_of(old, new):
        gaps += space.gaps
        allowance = max_requests - tried
        if space.size > allowance:
            gaps.append(f"{space.agent} and {space.tool}: {space.size} combinations, of which {allowance} may be tried")
        for request in requests_of(space, allowance):
            tried += 1
            one, other = old.decide(request), new.decide(request)
            if _differ(one, other):
                return Difference(
                    request=request, old=one, new=other, exhaustive=False, tried=tried, settings=_settings(old, new)
                )
            gaps += (gap for gap in _hidden(space, request, old, new) if gap not in gaps)
    return Difference(exhaustive=not gaps, tried=tried, gaps=tuple(gaps), settings=_settings(old, new))


def _hidden(space: Space, request: DecisionRequest, old: Policy, new: Policy) -> Iterator[str]:
    """Tell what budgets and chain risk hide: requests are tried with nothing used, where one call may be too much."""
    if not (old.bounds or new.bounds):
        return
    one, other = (replace(policy, bounds=NO_BOUNDS).decide(request) for policy in (old, new))
    if _differ(one, other):
        yield f"{space.agent} and {space.tool}: rules differ where budgets or chain risk decide"
    elif one.risk != other.risk and one.effect is not Effect.DENY:
        yield f"{space.agent} and {space.tool}: the risk class differs, so the risk of a chain adds up differently"


def _differ(one: Decision, other: Decision) -> bool:
    """Whether two decisions let different things happen: in what they say, what is owed, what a yes takes or grants."""
    if (one.effect, one.obligations, one.grants) != (other.effect, other.obligations, other.grants):
        return True
    return one.approvals != other.approvals and _all_terms(one) != _all_terms(other)


def _all_terms(decision: Decision) -> set[str]:
    return {terms_of(item) for item in decision.approvals or (DEFAULT_REQUIREMENT,)}


def _settings(old: Policy, new: Policy) -> tuple[str, ...]:
    found = []
    for name in type(old.limits).model_fields:
        one, other = old.limits.model_dump()[name], new.limits.model_dump()[name]
        if one != other:
            found.append(f"limits.{name}: {one} became {other}")
    found += [f"record.reveal: {entry} was removed" for entry in sorted(old.reveal - new.reveal)]
    found += [f"record.reveal: {entry} was added" for entry in sorted(new.reveal - old.reveal)]
    for name in sorted({*old.bounds.budgets, *new.bounds.budgets}):
        if old.bounds.budgets.get(name) != new.bounds.budgets.get(name):
            found.append(f"budgets.{name}: it changed")
    if old.bounds.chain != new.bounds.chain:
        found.append("chain_risk: it changed")
    for tool in sorted(old.tools & new.tools):
        if old.profile(tool) != new.profile(tool):
            found.append(f"tools.{tool}: its effect profile changed")
        if old.idempotent(tool) is not new.idempotent(tool):
            found.append(f"{tool}: idempotent became {str(new.idempotent(tool)).lower()}")
    return tuple(found)
