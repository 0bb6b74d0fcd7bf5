"""Who may answer a request, and whether the answers so far are enough: pure functions over what the ledger sealed.

Invariant: an answer counts for a requirement only if its giver was vouched for wherever the requester was, answers for
the same organisation, is another person unless the rule says otherwise, and held one of the roles that could answer at
that moment. Nobody counts twice, in whatever spelling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, ApprovalRequirement, Vote
from aisecops_langchain.domain.principal import Approver, Principal, one_spelling

_SECOND: Final = 1_000_000_000

REFUSALS: Final = {
    "nameless": "the name of who answers holds nothing that can be seen",
    "not_verified": "nobody vouches for who answers",
    "other_tenant": "who answers is of another organisation than the requester",
    "requester": "the requester may not answer",
    "role_missing": "who answers holds none of the roles that may",
    "already_voted": "this person said yes already",
    "grant_needs_one": "where more than one person must say yes, nobody can grant anything",
    "grant_not_permitted": "policy does not permit the grant beside the yes, or it does not fit the call",
    "edit_needs_one": "a call that takes more than one person cannot be edited",
    "another_requester": "the run was resumed for somebody else than it was paused for",
    "only_yes_or_no": "whoever resumes in another name than the requester's may only approve or reject",
    "another_call": "the answer names another call",
    "unidentified": "who answers could not be told",
    "heard_before": "this very answer was taken before",
    "closed": "the request is not open any more",
}
"""Why an answer does not count, by code."""


def demanded(*groups: Iterable[ApprovalRequirement]) -> tuple[ApprovalRequirement, ...]:
    """Put together everything that must be met.

    Args:
        *groups: Requirements, as sealed with a request or as decided now; an empty group is the default one.

    Returns:
        All of them.
    """
    return tuple(item for group in groups for item in (tuple(group) or (DEFAULT_REQUIREMENT,)))


def bar_of(requirement: ApprovalRequirement, approver: Approver, requester: Principal, waited: int) -> str | None:
    """Tell why somebody may not answer for a requirement.

    Args:
        requirement: What a rule takes.
        approver: Who answers.
        requester: Whom the agent acts for.
        waited: Nanoseconds since the request.

    Returns:
        A code of ``REFUSALS``, or ``None`` if the person may.
    """
    if not one_spelling(approver.id):
        return "nameless"
    roles = requirement.roles_after(waited / _SECOND)
    if not approver.verified and (requester.verified or roles or requirement.approvers > 1):
        return "not_verified"
    if approver.tenant != requester.tenant and (approver.tenant or requester.verified):
        return "other_tenant"
    if approver.is_person(requester.user) and not requirement.requester_may_approve:
        return "requester"
    if roles and set(roles).isdisjoint(approver.roles):
        return "role_missing"
    return None


def may_answer(
    requirements: Sequence[ApprovalRequirement], approver: Approver, requester: Principal, waited: int
) -> str | None:
    """Tell why somebody may not answer a request at all: no requirement of it lets them.

    Args:
        requirements: What the request takes.
        approver: Who answers.
        requester: Whom the agent acts for.
        waited: Nanoseconds since the request.

    Returns:
        A code of ``REFUSALS``, or ``None`` if the person may.
    """
    bars = [bar_of(item, approver, requester, waited) for item in requirements]
    return None if None in bars else bars[0]


def missing(
    requirements: Sequence[ApprovalRequirement], votes: Sequence[Vote], requester: Principal, asked_at: int
) -> int:
    """Count the votes that are still needed at least.

    Args:
        requirements: What must be met, each by itself.
        votes: Every yes so far.
        requester: Whom the agent acts for.
        asked_at: When the request was made, in nanoseconds since the Unix epoch.

    Returns:
        How many more persons the requirement that lacks most still needs; 0 means that all are met.
    """
    return max(item.approvers - _counted(item, votes, requester, asked_at) for item in requirements)


def has_voted(votes: Sequence[Vote], approver: Approver) -> bool:
    """Whether a person said yes already, under whatever spelling of the name."""
    return any(vote.approver.is_person(approver.id) for vote in votes)


def _counted(requirement: ApprovalRequirement, votes: Sequence[Vote], requester: Principal, asked_at: int) -> int:
    persons = {
        one_spelling(vote.approver.id)
        for vote in votes
        if bar_of(requirement, vote.approver, requester, vote.at - asked_at) is None
    }
    return min(len(persons), requirement.approvers)
