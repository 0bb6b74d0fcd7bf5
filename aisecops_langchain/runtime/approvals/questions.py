"""Questions to people: each is kept in the ledger, then recorded, and only then open to answers.

Invariant: what is recorded of a question is what the ledger keeps of it, whoever asks at the same moment; what time
does to it, expiry and escalation, is recorded by whoever notices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.permit import ApprovalState, Binding
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.approvals.answers import closed
from aisecops_langchain.runtime.approvals.events import ApprovalLog
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, Briefing, HeardRecord, close_row, open_row
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Row, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

_SECOND: Final = 1_000_000_000


class _Kept(NamedTuple):
    """A request as the ledger keeps it."""

    row: Row
    record: ApprovalRecord


class Questions:
    """Asks, and looks questions up.

    Args:
        ledger: Where questions are kept.
        recorder: Writes them to the log.
        sealer: Seals them.
        clock: Tells when they expire.
        lifetime_seconds: How long answers are waited for at most.
    """

    def __init__(
        self, ledger: Ledger, recorder: Recorder, sealer: Sealer, clock: Clock, *, lifetime_seconds: int
    ) -> None:
        self._ledger = ledger
        self._log = ApprovalLog(recorder)
        self._sealer = sealer
        self._clock = clock
        self._lifetime = lifetime_seconds

    def limit(self, lifetime_seconds: int) -> None:
        """Wait at most so long for answers to what is asked from now on.

        Args:
            lifetime_seconds: How long.
        """
        self._lifetime = lifetime_seconds

    def find(self, key: str) -> ApprovalRecord | None:
        """Look an approval up as it is kept.

        Args:
            key: Its approval key.

        Returns:
            The record, or ``None`` if nobody was asked.

        Raises:
            LedgerError: If the ledger cannot be read, or the record was edited at rest.
        """
        row = self._ledger.get(Table.APPROVALS, key)
        return None if row is None else open_row(self._sealer, row, ApprovalRecord)

    def look(self, key: str) -> ApprovalRecord | None:
        """Look an approval up as it is now: what expired or escalated meanwhile is recorded as such.

        Args:
            key: Its approval key.

        Returns:
            The record, or ``None`` if nobody was asked.

        Raises:
            LedgerError: If the ledger cannot be used, or the record was edited at rest.
            AuditWriteError: If what is noticed cannot be recorded.
        """
        row = self._ledger.get(Table.APPROVALS, key)
        return None if row is None else self._noticed(row)

    def requests(self) -> Iterator[ApprovalRecord]:
        """Yield every request as it is now, in no order; raises as ``look`` does."""
        for row in list(self._ledger.scan(Table.APPROVALS)):  # of any state: one edited beside a row must not hide it
            if row.state == "heard":
                open_row(self._sealer, row, HeardRecord)
            elif row.key == open_row(self._sealer, row, ApprovalRecord).binding.approval_key():
                yield self._noticed(row)

    def request(
        self,
        binding: Binding,
        briefing: Briefing | None = None,
        requires: tuple[ApprovalRequirement, ...] = (),
        *,
        parents: tuple[str, ...] = (),
    ) -> ApprovalRecord:
        """Ask about a call; asking again about the same call finds the first request.

        Args:
            binding: The call, and where it was proposed.
            briefing: What people are told beside it.
            requires: What a yes takes; nothing said means the default requirement.
            parents: Ids of the events that led to it.

        Returns:
            The record, pending unless it was answered before.

        Raises:
            AuditWriteError: If the request could not be made durable.
            LedgerError: If it could not be kept.
        """
        key = binding.approval_key()
        known = self.look(key)
        if known is not None:
            return known
        now = self._clock.now()
        lifetimes = [self._lifetime, *(item.ttl_seconds for item in requires if item.ttl_seconds is not None)]
        record = ApprovalRecord(
            binding=binding,
            briefing=briefing or Briefing(),
            state=ApprovalState.PENDING,
            requested_at=now,
            expires_at=now + min(lifetimes) * _SECOND,
            requires=requires,
            parents=parents,
            recorded=False,
        )
        row = self._row(record)
        if self._ledger.apply([Change(row)], durable=True):
            return self._told(row, record).record
        known = self.look(key)  # somebody else asked at the same moment, with an expiry of his own
        if known is None:
            raise LedgerError("an approval request was neither kept nor found", remedy="check the ledger file")
        return known

    def _noticed(self, row: Row) -> ApprovalRecord:
        """Record that a request was made, should nobody have come to that, and what time did to it meanwhile."""
        row, record = self._told(row, open_row(self._sealer, row, ApprovalRecord))
        if record.state is not ApprovalState.PENDING:
            return record
        now = self._clock.now()
        expired = now >= record.expires_at
        late = [] if expired else [item for item in record.requires if _is_late(item, record, now)]
        if expired:
            changed = closed(record, ApprovalState.EXPIRED, now)
        elif late:
            changed = record.model_copy(update={"escalated": (*record.escalated, *(item.rule for item in late))})
        else:
            return record
        if not self._ledger.apply([Change(self._row(changed), replaces=row.seal)], durable=True):
            return self.find(record.binding.approval_key()) or record  # somebody noticed or answered meanwhile
        for item in late:
            self._log.escalated(record, item)
        self._log.answered(changed, resumes=False)
        return changed

    def _told(self, row: Row, record: ApprovalRecord) -> _Kept:
        """Record a request as the ledger keeps it, and then that this was done; before, no answer to it is taken.

        Whoever meets a request that is not known to be recorded records it: the same, whoever does.
        """
        if record.recorded:
            return _Kept(row, record)
        self._log.asked(record)
        told = record.model_copy(update={"recorded": True})
        new = self._row(told)
        if self._ledger.apply([Change(new, replaces=row.seal)], durable=False):
            return _Kept(new, told)
        current = self._ledger.get(Table.APPROVALS, row.key)  # somebody else came to it first
        if current is None:
            raise LedgerError("an approval request is gone", expected="a pending approval", got="none")
        return _Kept(current, open_row(self._sealer, current, ApprovalRecord))

    def _row(self, record: ApprovalRecord) -> Row:
        return close_row(self._sealer, Table.APPROVALS, record.binding.approval_key(), record)


def _is_late(requirement: ApprovalRequirement, record: ApprovalRecord, now: int) -> bool:
    late = requirement.escalate
    if late is None or requirement.rule in record.escalated:
        return False
    return now - record.requested_at >= late.after_seconds * _SECOND
