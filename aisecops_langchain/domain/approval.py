"""What an approval takes: how many persons, in which roles, until when, and who may answer once nobody did.

Invariant: a requirement can only ever narrow who may say yes; several together must each be met by themselves. A
request without any takes one person who is not the requester.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.principal import Approver


class Escalation(Frozen):
    """Whom a request goes to when it was not answered in time."""

    after_seconds: int = Field(gt=0)
    """Counted from the request."""
    roles: tuple[str, ...] = Field(min_length=1)
    only: bool = False
    """Whether from then on only these roles may answer, instead of these as well."""


class ApprovalRequirement(Frozen):
    """What one rule takes for a yes."""

    rule: str = ""
    """The rule that says so; empty where no rule does."""
    approvers: int = Field(default=1, ge=1)
    """How many distinct persons must say yes; more than one must be verified."""
    roles: tuple[str, ...] = ()
    """Each of them holds one of these; none means whoever may answer at all."""
    requester_may_approve: bool = False
    """Whether the user whom the agent acts for counts as one of them."""
    ttl_seconds: int | None = Field(default=None, gt=0)
    """How long a request may wait; ``None`` leaves it to the bundle's limits."""
    escalate: Escalation | None = None

    def roles_after(self, seconds: float) -> tuple[str, ...]:
        """Return the roles that may answer so long after the request; none means that none is asked for."""
        late = self.escalate
        if late is None or seconds < late.after_seconds:
            return self.roles
        return late.roles if late.only else tuple(sorted({*self.roles, *late.roles}))

    def in_words(self) -> str:
        """Tell how many persons it takes, and as what."""
        persons = "1 person" if self.approvers == 1 else f"{self.approvers} persons"
        return f"{persons} as {' or '.join(self.roles)}" if self.roles else persons


DEFAULT_REQUIREMENT: Final = ApprovalRequirement()
"""One person who is not the requester; what every request takes that no rule says more about."""


def joined(requirements: Iterable[ApprovalRequirement]) -> tuple[ApprovalRequirement, ...]:
    """Join what several rules take; each must be met, so nothing of any is lost.

    Args:
        requirements: One for each rule that asks.

    Returns:
        The distinct ones by rule; none where all say no more than the default.
    """
    distinct = sorted(set(requirements), key=lambda item: (item.rule, item.model_dump_json()))
    return () if distinct in ([], [DEFAULT_REQUIREMENT]) else tuple(distinct)


class Vote(Frozen):
    """One yes of one person to one exact call."""

    approver: Approver
    call: str
    """Digest of the call that the yes is to: the one asked about, or the one put in its place."""
    at: int
    """Nanoseconds since the Unix epoch."""
    reason: str = ""
    """Why, for the record."""
