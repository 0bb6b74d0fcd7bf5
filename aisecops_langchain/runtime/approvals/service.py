"""Approvals: people are asked about one exact call, and their answer is good for that call alone, once.

Invariant: an answer counts only while the request is pending and unexpired, only in the scope it was asked in, and only
from somebody who may give it; the record lives in the ledger under a seal, so that neither a replayed answer nor an
edited file makes a yes. Every channel (interrupt, command line) comes through here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from aisecops_langchain.canonical import JsonValue, digest, digest_texts
from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.permit import ApprovalState, Binding
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.approvals.answers import (
    ANSWER_NAMES,
    Answer,
    Approve,
    Edit,
    Elsewhere,
    Reject,
    Respond,
    Settled,
    closed,
    settle,
)
from aisecops_langchain.runtime.approvals.events import ApprovalLog
from aisecops_langchain.runtime.approvals.votes import demanded, missing
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, Briefing, HeardRecord, close_row, open_row
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Row, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

__all__ = ["Answer", "Approvals", "Approve", "Edit", "Elsewhere", "Reject", "Respond", "Taken"]

_SECOND: Final = 1_000_000_000
_ATTEMPTS: Final = 50
_NOES: Final = (ApprovalState.REJECTED, ApprovalState.RESPONDED)


class Taken(NamedTuple):
    """What became of an answer."""

    record: ApprovalRecord
    """The request as it stands afterwards."""
    refused: str | None = None
    """Why the answer does not count, as a code of ``votes.REFUSALS``."""


class Approvals:
    """The one service through which approvals are asked, answered and looked up.

    Args:
        ledger: Where requests and answers are kept.
        recorder: Writes them to the log.
        sealer: Seals them.
        clock: Tells when they expire.
        grants: Keeps what is granted beside a yes.
        lifetime_seconds: How long answers are waited for at most.
    """

    def __init__(
        self,
        ledger: Ledger,
        recorder: Recorder,
        sealer: Sealer,
        clock: Clock,
        *,
        grants: StandingGrants,
        lifetime_seconds: int,
    ) -> None:
        self._grants = grants
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
        )
        self._log.asked(record, parents)
        if self._ledger.apply([Change(self._row(record))], durable=True):
            return record
        known = self.find(key)
        if known is None:
            raise LedgerError("an approval request was neither kept nor found", remedy="check the ledger file")
        return known

    def answer(self, binding: Binding, answer: Answer, approver: Approver | None) -> ApprovalRecord:
        """Take an answer, and return only the record; arguments and errors are those of ``take``."""
        return self.take(binding, answer, approver).record

    def take(
        self, binding: Binding, answer: Answer, approver: Approver | None, *, heard: str = "", resumes: bool = True
    ) -> Taken:
        """Take somebody's answer; it counts at most once, and only if it is theirs to give.

        Args:
            binding: The call as it stands where the answer came in.
            answer: What was answered.
            approver: Who answered; ``None`` where that should be known and could not be told.
            heard: Identity of this very answer where it may be handed in again, as by a node that is executed again.
            resumes: Whether the run goes on with it right away.

        Returns:
            The record as it stands afterwards, and why the answer does not count if it does not.

        Raises:
            AuditWriteError: If the answer could not be made durable.
            LedgerError: If it could not be kept, or nobody was asked.
        """
        key = binding.approval_key()
        mark = digest_texts("heard", key, heard) if heard else ""
        for _ in range(_ATTEMPTS):
            self.look(key)
            row = self._ledger.get(Table.APPROVALS, key)
            if row is None:
                raise LedgerError("nobody was asked about this call", expected="a pending approval", got="none")
            record = open_row(self._sealer, row, ApprovalRecord)
            if record.state is not ApprovalState.PENDING:
                return Taken(record, "closed")
            if mark and self._ledger.get(Table.APPROVALS, mark) is not None:
                return Taken(record, "heard_before")
            now = self._clock.now()
            settled = settle(record, binding, answer, approver, now)
            changes = self._changes(row, record, settled, mark)
            if not changes or self._ledger.apply(changes, durable=True):
                taken = Taken(settled.record, settled.refused)
                if taken.refused is None:
                    self._log.answered(taken.record, resumes=resumes)
                else:
                    self._refuse(taken, answer, approver, now, mark)
                return taken
        raise LedgerError("the request keeps changing", expected="to be the next to answer it once")

    def was_heard(self, binding: Binding, heard: str) -> bool:
        """Whether an answer of this identity was taken already.

        Args:
            binding: The call.
            heard: Identity of the answer, as given to ``take``.

        Raises:
            LedgerError: If the ledger cannot be read, or the mark was edited at rest.
        """
        row = self._ledger.get(Table.APPROVALS, digest_texts("heard", binding.approval_key(), heard))
        return row is not None and open_row(self._sealer, row, HeardRecord).approval == binding.approval_key()

    def record_answer(self, record: ApprovalRecord) -> str | None:
        """Write what is known of an approval to the log, and that its run goes on; again, it writes nothing new.

        Args:
            record: The approval as kept.

        Returns:
            Id of the event that settled it, or ``None`` while it is pending.

        Raises:
            AuditWriteError: If it could not be written.
        """
        return self._log.answered(record, resumes=True)

    def was_rejected(self, binding: Binding) -> bool:
        """Whether a person already said no to this very call earlier in the same run.

        Raises:
            LedgerError: If the ledger cannot be read, or the record was edited at rest.
        """
        row = self._ledger.get(Table.APPROVALS, _rejection_key(binding))
        return row is not None and open_row(self._sealer, row, ApprovalRecord).state in _NOES

    def suffices(self, record: ApprovalRecord, decided: tuple[ApprovalRequirement, ...]) -> bool:
        """Judge the votes anew before they make a permit.

        Args:
            record: The approval as kept.
            decided: What policy takes now, which may be more than when it was asked.

        Returns:
            Whether they are all for the call that was approved, and enough for both.
        """
        approved = record.edited_call or record.binding.call
        if any(vote.call != approved for vote in record.votes):
            return False
        requires = demanded(record.requires, decided)
        return missing(requires, record.votes, record.binding.scope.principal, record.requested_at) <= 0

    def consuming(self, record: ApprovalRecord) -> Change | None:
        """Prepare the change that uses a granted approval up.

        Args:
            record: The approval as last read.

        Returns:
            A change for the transaction that issues the permit, or ``None`` if the approval was used or changed.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        key = record.binding.approval_key()
        row = self._ledger.get(Table.APPROVALS, key) if record.state is ApprovalState.GRANTED else None
        if row is None or open_row(self._sealer, row, ApprovalRecord) != record:
            return None
        used = record.model_copy(update={"state": ApprovalState.CONSUMED})
        return Change(self._row(used), replaces=row.seal)

    def _noticed(self, row: Row) -> ApprovalRecord:
        """Record what time did to a request that nobody answered."""
        record = open_row(self._sealer, row, ApprovalRecord)
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

    def _changes(self, row: Row, record: ApprovalRecord, settled: Settled, mark: str) -> list[Change]:
        changes: list[Change] = []
        if settled.record != record:
            changes.append(Change(self._row(settled.record), replaces=row.seal))
        if mark:
            heard = HeardRecord(approval=row.key)
            changes.append(Change(close_row(self._sealer, Table.APPROVALS, mark, heard)))
        if settled.record.grant is not None:
            changes.append(self._grants.keeping(settled.record.grant))
        if settled.record.state in _NOES:
            key = _rejection_key(settled.record.binding)
            if self._ledger.get(Table.APPROVALS, key) is None:
                changes.append(Change(close_row(self._sealer, Table.APPROVALS, key, settled.record)))
        return changes

    def _refuse(self, taken: Taken, answer: Answer, approver: Approver | None, now: int, mark: str) -> None:
        name, mark = ANSWER_NAMES[type(answer)], mark or str(now)
        self._log.refused(taken.record, approver, answer=name, code=taken.refused or "", mark=mark, now=now)

    def _row(self, record: ApprovalRecord) -> Row:
        return close_row(self._sealer, Table.APPROVALS, record.binding.approval_key(), record)


def _is_late(requirement: ApprovalRequirement, record: ApprovalRecord, now: int) -> bool:
    late = requirement.escalate
    if late is None or requirement.rule in record.escalated:
        return False
    return now - record.requested_at >= late.after_seconds * _SECOND


def _rejection_key(binding: Binding) -> str:
    scope = binding.scope
    where: JsonValue = [scope.principal.tenant, scope.thread, scope.trace, binding.call]
    return digest("rejection", where)
