"""The shape of ``approval`` on a rule: what a person's yes takes.

Invariant: whatever is left out falls back to the default requirement, and nothing that no answer could meet, or that
would change nothing, is accepted.
"""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from aisecops_langchain.domain.approval import ApprovalRequirement, Escalation
from aisecops_langchain.domain.base import Frozen

MAX_APPROVERS: Final = 20
_YEAR: Final = 366 * 86_400


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a role stands there twice")
    return tuple(sorted(values))


def _given(value: object) -> object:
    if value is None:
        raise ValueError("an empty key says nothing; fill it in, or leave it out")
    return value


GIVEN: Final = AfterValidator(_given)
"""Refuses a key without a value, which would otherwise pass for one that was left out."""

Role = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"\A[^\s*]+\z")]
Roles = Annotated[tuple[Role, ...], Field(min_length=1), AfterValidator(_distinct)]
Seconds = Annotated[int, Field(gt=0, le=_YEAR)]


class EscalationTerms(Frozen):
    """Whom a request goes to when nobody answered."""

    after_seconds: Seconds
    roles: Roles
    only: bool = False
    """Whether these roles answer instead of the first ones, rather than as well."""


class ApprovalTerms(Frozen):
    """What a rule takes for a yes."""

    approvers: Annotated[int, Field(ge=1, le=MAX_APPROVERS)] = 1
    roles: Roles = ()
    requester_may_approve: bool = False
    ttl_seconds: Annotated[Seconds | None, GIVEN] = None
    escalate: Annotated[EscalationTerms | None, GIVEN] = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("'approval' is empty; fill it in, or leave it out")
        late = self.escalate
        if late is None:
            return self
        if self.ttl_seconds is not None and late.after_seconds >= self.ttl_seconds:
            raise ValueError("the request expires before it escalates: after_seconds is not below ttl_seconds")
        if not self.roles and not late.only:
            raise ValueError("escalate adds roles where anybody may answer already; name roles, or set only: true")
        if set(late.roles) <= set(self.roles) and not late.only:
            raise ValueError("escalate adds no role that may not answer already")
        return self

    def requirement(self, rule: str) -> ApprovalRequirement:
        """Return the requirement that these terms make of a rule.

        Args:
            rule: The rule's id.
        """
        late = self.escalate
        return ApprovalRequirement(
            rule=rule,
            approvers=self.approvers,
            roles=self.roles,
            requester_may_approve=self.requester_may_approve,
            ttl_seconds=self.ttl_seconds,
            escalate=late and Escalation(after_seconds=late.after_seconds, roles=late.roles, only=late.only),
        )

    def normalised(self) -> dict[str, JsonValue]:
        """Return the terms as the digest covers them: defaults spelled out, nothing empty."""
        content: dict[str, JsonValue] = self.model_dump(mode="json", exclude_none=True)
        return {key: value for key, value in content.items() if value != []}
