"""Events of standing grants: what a person let an agent do again, what was done on it, and how it ended."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.events.base import Event
from aisecops_langchain.domain.principal import Approver


class _GrantEvent(Event):
    """An event about a grant and one call: the one that was approved with it, or one that it covers."""

    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the canonical call."""
    grant: str
    approval: str
    """The approval that the grant was given with."""
    approver: Approver
    """Who gave it."""


class GrantGiven(_GrantEvent):
    """Together with the approval of one call, a person let later calls like it run without being asked."""

    kind: Literal["grant_given"] = "grant_given"
    fixed: dict[str, JsonValue]
    """Values that such a call must have, as the log shows arguments."""
    any: tuple[str, ...]
    up_to: dict[str, str]
    """By argument, what it may come to over all uses."""
    each: dict[str, str]
    """By argument, what it may be in one use."""
    uses: int
    any_thread: bool
    expires_at: AwareDatetime
    reason: str = ""


class GrantUsed(_GrantEvent):
    """A call is covered by a grant, and counted against it; nobody was asked."""

    kind: Literal["grant_used"] = "grant_used"
    permit: str
    amounts: dict[str, str]
    """By argument, what was taken from its sum."""


class GrantEnded(Event):
    """A grant was found to be over, and makes no permits from then on."""

    kind: Literal["grant_ended"] = "grant_ended"
    grant: str
    tool: str
    why: Literal["expired", "exhausted"]


class GrantRevoked(Event):
    """A person took a grant back; permits on it that were not begun are void."""

    kind: Literal["grant_revoked"] = "grant_revoked"
    grant: str
    tool: str
    by: str
    reason: str = ""
