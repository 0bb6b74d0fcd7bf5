"""What the log tells of the ledger: the rows that events can only have been written after.

Invariant: a row is expected only if the ledger had it for good before the event was written, so that neither a crash
nor a loss of power leaves anything to complain of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    Event,
    ExecutionStarted,
    GrantGiven,
    GrantRevoked,
    PermitIssued,
    StopOrdered,
)
from aisecops_langchain.domain.permit import effect_key
from aisecops_langchain.errors import AuditFormatError

_SETTLING: Final = (ApprovalGranted, ApprovalRejected, ApprovalResponded, ApprovalExpired)

_TELLING: Final = frozenset(
    kind.model_fields["kind"].default
    for kind in (ExecutionStarted, PermitIssued, ApprovalRequested, *_SETTLING, GrantGiven, GrantRevoked, StopOrdered)
)
"""Kinds of the events that tell of rows."""


@dataclass(frozen=True, slots=True)
class Teller:
    """The event that tells of a row."""

    event: str
    trace: str
    thread: str
    about: str
    """The tool or the target, for people."""


@dataclass(slots=True)
class ToldEffect:
    """An effect that was begun."""

    by: Teller
    permits: set[str] = field(default_factory=set)
    """Ids of the permits that it was begun under; one only, unless its row was taken away in between."""


@dataclass(slots=True)
class ToldApproval:
    """A call that somebody was asked about."""

    by: Teller
    settled: bool = False
    """Whether it was answered for good, or expired."""


@dataclass(slots=True)
class ToldGrant:
    """A grant that somebody gave."""

    by: Teller
    expires_at: datetime
    """From then on the ledger may forget it."""


class Told:
    """Gathers what the log tells; memory grows with the number of effects, approvals and grants."""

    def __init__(self) -> None:
        self.effects: dict[str, ToldEffect] = {}
        self.unused: set[str] = set()
        """Keys of effects that were permitted and, as far as the log tells, not begun; power may take their rows."""
        self.approvals: dict[str, ToldApproval] = {}
        self.grants: dict[str, ToldGrant] = {}
        self.revoked: set[str] = set()
        self.stops: tuple[int, Teller] | None = None
        """The highest epoch of the register of stops."""
        self.unreadable = 0
        """Lines that nobody can read; a log that verifies has none but a last one that was never whole."""

    def add(self, event: AnyEvent) -> None:
        """Take an event in; one of another kind than those named here tells nothing.

        Args:
            event: The event.
        """
        match event:
            case ExecutionStarted():
                key = effect_key(event.principal.tenant, event.thread, event.plan, event.call_id)
                self.effects.setdefault(key, ToldEffect(_teller(event, event.tool))).permits.add(event.permit)
                self.unused.discard(key)
            case PermitIssued():
                key = effect_key(event.principal.tenant, event.thread, event.plan, event.call_id)
                if key not in self.effects:
                    self.unused.add(key)
            case ApprovalRequested():
                self.approvals.setdefault(event.approval, ToldApproval(_teller(event, event.tool)))
            case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
                told = self.approvals.setdefault(event.approval, ToldApproval(_teller(event, event.tool)))
                told.settled = True
            case GrantGiven():
                self.grants.setdefault(event.grant, ToldGrant(_teller(event, event.tool), event.expires_at))
            case GrantRevoked():
                self.revoked.add(event.grant)
            case StopOrdered() if self.stops is None or event.epoch > self.stops[0]:
                self.stops = (event.epoch, _teller(event, f"{event.stop} {event.target}"))
            case _:
                pass


def told_in(log: Path) -> Told:
    """Read what a log tells; whoever needs to believe it verifies the log as well.

    Args:
        log: A log directory, or one segment file.

    Returns:
        What it tells.

    Raises:
        AuditFormatError: If there is no log at this path, or a file cannot be read.
    """
    told = Told()
    for entry in read_log(log):
        if entry.error is None and entry.kind not in _TELLING:
            continue
        try:
            event = entry.parse()
        except AuditFormatError:
            told.unreadable += 1
            continue
        if isinstance(event, Event):
            told.add(event)
    return told


def _teller(event: AnyEvent, about: str) -> Teller:
    return Teller(event.id, event.trace, event.thread, about)
