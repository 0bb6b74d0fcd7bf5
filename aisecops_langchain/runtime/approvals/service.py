"""Approvals: people are asked about one exact call, and their answer is good for that call alone, once.

Invariant: an answer counts only while the request is pending and unexpired, only in the scope it was asked in, and only
from somebody who may give it; the record lives in the ledger under a seal, so that neither a replayed answer nor an
edited file makes a yes. Every channel (interrupt, command line) comes through here.
"""

from __future__ import annotations

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
    settle,
)
from aisecops_langchain.runtime.approvals.questions import Questions
from aisecops_langchain.runtime.approvals.votes import demanded, missing
from aisecops_langchain.runtime.grants.service import StandingGrants
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, HeardRecord, close_row, open_row
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Row, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

__all__ = ["Answer", "Approvals", "Approve", "Edit", "Elsewhere", "Reject", "Respond", "Taken"]

_ATTEMPTS: Final = 50
_NOES: Final = (ApprovalState.REJECTED, ApprovalState.RESPONDED)


class Taken(NamedTuple):
    """What became of an answer."""

    record: ApprovalRecord
    """The request as it stands afterwards."""
    refused: str | None = None
    """Why the answer does not count, as a code of ``votes.REFUSALS``."""


class Approvals(Questions):
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
        super().__init__(ledger, recorder, sealer, clock, lifetime_seconds=lifetime_seconds)
        self._grants = grants

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


def _rejection_key(binding: Binding) -> str:
    scope = binding.scope
    where: JsonValue = [scope.principal.tenant, scope.thread, scope.trace, binding.call]
    return digest("rejection", where)
