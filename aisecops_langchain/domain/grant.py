"""Standing grants: a person's yes to one call that is also good for later ones like it, within stated bounds.

Invariant: a grant says of every argument of its tool what it may be: one exact value, a share of a sum, or anything
where policy lets it be anything. It is bound to who asked, where and under which policy, and it has an end and a count.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from functools import reduce
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from aisecops_langchain.canonical import JsonValue, digest_texts
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.effects import ArgumentName, ArgumentNames
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.domain.usage import MICRO

MAX_SECONDS: Final = 86_400
"""A grant stands at most a day."""

_LARGEST: Final = 999_999_999
_Names = Annotated[ArgumentNames, Field(max_length=64)]
AmountText = Annotated[str, StringConstraints(pattern=r"^(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?$")]
"""An exact amount below a thousand million, in quotes: 500 or 12.50."""
_Amounts = Annotated[dict[ArgumentName, AmountText], Field(max_length=64)]
_Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]
_Uses = Annotated[int, Field(ge=1, le=10_000)]


class GrantTerms(Frozen):
    """What a rule lets approvers grant."""

    max_seconds: _Seconds
    max_uses: _Uses
    any: _Names = ()
    """Arguments that a grant may leave open."""
    up_to: _Amounts | None = None
    """Arguments that may vary below a sum, and the highest sum for each; left out, the approver chooses both."""
    any_thread: bool = False
    """Whether a grant may reach beyond the thread that it was given in."""


class GrantWish(Frozen):
    """What an approver asks for beside his yes."""

    for_seconds: _Seconds
    uses: _Uses
    same: _Names = ()
    """Arguments that keep the approved value; those that are named nowhere keep it, too."""
    any: _Names = ()
    """Arguments that may be anything."""
    up_to: _Amounts = Field(default_factory=dict)
    """Arguments that may vary, and what each may come to over all uses."""
    each: _Amounts = Field(default_factory=dict)
    """What an argument of ``up_to`` may be in one use."""
    any_thread: bool = False
    reason: str = Field(default="", max_length=500)


class GrantRequest(Frozen):
    """A wish, and the call that it goes with."""

    wish: GrantWish
    call: CanonicalCall


class StandingGrant(Frozen):
    """The right to calls like one that a person approved."""

    id: str
    binding: Binding
    """The approved call: its tool, the tool's definition, the policy, and who asked where."""
    any_thread: bool
    fixed: dict[str, str]
    """By argument, the canonical JSON text of the only value that it may have."""
    any: tuple[str, ...]
    """Arguments that may be anything."""
    up_to: dict[str, int]
    """By argument, what it may come to over all uses; in millionths."""
    each: dict[str, int]
    """By argument, what it may be in one use; in millionths."""
    uses: int
    asked_at: int
    """When the approval was asked for, in nanoseconds since the Unix epoch; who may answer depends on the wait."""
    given_at: int
    """Nanoseconds since the Unix epoch; before it the grant is not good."""
    expires_at: int
    """Nanoseconds since the Unix epoch; from then on the grant is void."""
    approver: Approver
    reason: str = ""

    @property
    def approval(self) -> str:
        """Key of the approval that it was given with."""
        return self.binding.approval_key()

    def place(self) -> str:
        """Name the place in which it is good."""
        return grant_place(self.binding, any_thread=self.any_thread)


class GrantState(StrEnum):
    """The life of a grant; only a live one makes permits."""

    LIVE = "live"
    REVOKED = "revoked"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"


class GrantEntry(Frozen):
    """A grant and what became of it."""

    grant: StandingGrant
    state: GrantState = GrantState.LIVE
    by: str = ""
    """Who revoked it, as far as that is known."""
    reason: str = ""
    """Why it was revoked."""
    ended_at: int | None = None
    """Nanoseconds since the Unix epoch."""


class GrantRegister(Frozen):
    """All grants of one place; one sealed value, so that no single one can be put back to what it was."""

    epoch: int = Field(ge=0)
    """Grows with every change; an older register than one that was seen is a replayed one."""
    state: Literal["register"] = "register"
    entries: tuple[GrantEntry, ...] = ()


def grant_place(binding: Binding, *, any_thread: bool) -> str:
    """Name the place that a call belongs to: who asks through whom, which tool as it is now, policy and thread.

    Args:
        binding: The call.
        any_thread: Whether to name the place of grants that are good in every thread.

    Returns:
        A digest; another tenant, user, agent, chain, tool definition, policy or thread is another place.
    """
    scope, who = binding.scope, binding.scope.principal
    where = ("any thread",) if any_thread else ("thread", scope.thread)
    identity = (who.tenant, who.user, who.issuer, who.agent, who.chain())
    return digest_texts("grants", *identity, binding.tool, binding.tool_definition, scope.policy, *where)


def micro(text: str) -> int:
    """Turn an ``AmountText`` into millionths."""
    return int(Decimal(text) * MICRO)


def amount_text(millionths: int) -> str:
    """Turn millionths into text, as people write it."""
    return f"{(Decimal(millionths) / MICRO).normalize():f}"


def amount_of(value: JsonValue) -> int | None:
    """Read an argument as an amount.

    Args:
        value: The argument.

    Returns:
        Millionths, rounded up so that a sum is never too small; ``None`` for anything but a JSON number from 0 to a
        thousand million.
    """
    if type(value) is not int and type(value) is not float:
        return None
    number = Decimal(str(value))
    if not number.is_finite() or not 0 <= number <= _LARGEST:
        return None
    return int((number * MICRO).to_integral_value(ROUND_CEILING))


def tightest(terms: Iterable[GrantTerms | None]) -> GrantTerms | None:
    """Combine what several rules permit.

    Args:
        terms: Of every rule that asks for a person; ``None`` for one that permits no grants.

    Returns:
        What all of them permit; ``None`` if one permits none, or there are none.
    """
    found = list(terms)
    whole = [item for item in found if item is not None]
    return reduce(_both, whole) if whole and len(whole) == len(found) else None


def _both(one: GrantTerms, other: GrantTerms) -> GrantTerms:
    return GrantTerms(
        max_seconds=min(one.max_seconds, other.max_seconds),
        max_uses=min(one.max_uses, other.max_uses),
        any=tuple(name for name in one.any if name in other.any),
        up_to=_lower(one.up_to, other.up_to),
        any_thread=one.any_thread and other.any_thread,
    )


def _lower(one: dict[str, str] | None, other: dict[str, str] | None) -> dict[str, str] | None:
    if one is None or other is None:
        return other if one is None else one
    return {name: min(one[name], other[name], key=Decimal) for name in one if name in other}
