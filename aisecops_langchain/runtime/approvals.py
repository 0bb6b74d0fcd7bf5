"""Approvals: a person is asked about one exact call, and the answer is good for that call alone, once.

Invariant: an answer counts only while the request is pending and unexpired and only in the scope it was asked in; the
record lives in the ledger under a seal, so that neither a replayed answer nor an edited file makes a yes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aisecops_langchain.canonical import JsonValue, digest
from aisecops_langchain.domain.events import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    RunPaused,
    RunResumed,
)
from aisecops_langchain.domain.grant import GrantRequest, StandingGrant
from aisecops_langchain.domain.permit import ApprovalState, Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import GrantError, LedgerError
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Table
from aisecops_langchain.runtime.recorder import Recorder, at
from aisecops_langchain.runtime.records import ApprovalRecord, Briefing, close_row, open_row
from aisecops_langchain.runtime.standing_grants import StandingGrants
from aisecops_langchain.sealing import Sealer

_SECOND = 1_000_000_000
_REASON_LIMIT = 500
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Approve:
    """Yes, to exactly the call that was shown."""

    grant: GrantRequest | None = None
    """What later calls like it are to be let run without asking; all of the answer counts, or nothing."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Yes, but to this call instead; policy decides on it anew."""

    call: CanonicalCall


@dataclass(frozen=True, slots=True)
class Reject:
    """No; also what every answer that cannot be understood comes to."""

    reason: str = ""


Answer = Approve | Edit | Reject

_ApprovalKind = type[ApprovalRequested] | type[ApprovalGranted] | type[ApprovalRejected] | type[ApprovalExpired]


class Approvals:
    """The one service through which approvals are asked, answered and looked up.

    Args:
        ledger: Where requests and answers are kept.
        recorder: Writes them to the log.
        sealer: Seals them.
        clock: Tells when they expire.
        grants: Keeps what is granted beside a yes.
        lifetime_seconds: How long an answer is waited for.
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
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock
        self._lifetime = lifetime_seconds * _SECOND

    def limit(self, lifetime_seconds: int) -> None:
        """Wait so long for answers to what is asked from now on.

        Args:
            lifetime_seconds: How long.
        """
        self._lifetime = lifetime_seconds * _SECOND

    def find(self, key: str) -> ApprovalRecord | None:
        """Look an approval up.

        Args:
            key: Its approval key.

        Returns:
            The record, or ``None`` if nobody was asked.

        Raises:
            LedgerError: If the ledger cannot be read, or the record was edited at rest.
        """
        row = self._ledger.get(Table.APPROVALS, key)
        return None if row is None else open_row(self._sealer, row, ApprovalRecord)

    def request(
        self, binding: Binding, briefing: Briefing | None = None, *, parents: tuple[str, ...] = ()
    ) -> ApprovalRecord:
        """Ask a person about a call; asking again about the same call finds the first request.

        Args:
            binding: The call, and where it was proposed.
            briefing: What the person is told beside it.
            parents: Ids of the events that led to it.

        Returns:
            The record, pending unless it was answered before.

        Raises:
            AuditWriteError: If the request could not be made durable.
            LedgerError: If it could not be kept.
        """
        key = binding.approval_key()
        known = self.find(key)
        if known is not None:
            return known
        now = self._clock.now()
        record = ApprovalRecord(
            binding=binding,
            briefing=briefing or Briefing(),
            state=ApprovalState.PENDING,
            requested_at=now,
            expires_at=now + self._lifetime,
        )
        asked = self._record(ApprovalRequested, binding, parents=parents, expires_at=at(record.expires_at))
        self._recorder.record(RunPaused, binding.scope, key, parents=(asked,), waiting_for=key)
        self._recorder.commit()
        row = close_row(self._sealer, Table.APPROVALS, key, record)
        if self._ledger.apply([Change(row)], durable=True):
            return record
        known = self.find(key)
        if known is None:
            raise LedgerError("an approval request was neither kept nor found", remedy="check the ledger file")
        return known

    def answer(self, binding: Binding, answer: Answer, approver: Approver) -> ApprovalRecord:
        """Record a person's answer; only the first one to a pending request counts.

        Args:
            binding: The call as it stands where the answer came in.
            answer: What was answered.
            approver: Who answered.

        Returns:
            The record as it stands afterwards; not granted unless this very answer granted it or an earlier one did.

        Raises:
            AuditWriteError: If the answer could not be made durable.
            LedgerError: If it could not be kept, or nobody was asked.
        """
        key = binding.approval_key()
        row = self._ledger.get(Table.APPROVALS, key)
        if row is None:
            raise LedgerError("nobody was asked about this call", expected="a pending approval", got="none")
        record = open_row(self._sealer, row, ApprovalRecord)
        if record.state is not ApprovalState.PENDING:
            return record
        settled = self._settle(record, binding, answer, approver)
        changes = [Change(close_row(self._sealer, Table.APPROVALS, key, settled), replaces=row.seal)]
        if settled.state is ApprovalState.REJECTED:
            changes += self._remember_rejection(settled)
        if not self._keep(changes, settled.grant):
            return self.find(key) or record
        self.record_answer(settled)
        return settled

    def record_answer(self, record: ApprovalRecord) -> str | None:
        """Write an answered approval to the log; writing it again writes nothing.

        Args:
            record: The approval as kept.

        Returns:
            Id of the event, or ``None`` while it is pending.

        Raises:
            AuditWriteError: If it could not be written.
        """
        binding = record.binding
        approver = record.approver or Approver(id="nobody")
        event: str | None = None
        if record.state in (ApprovalState.GRANTED, ApprovalState.CONSUMED):
            event = self._record(ApprovalGranted, binding, approver=approver, edited=record.edited_call)
        elif record.state is ApprovalState.REJECTED:
            event = self._record(ApprovalRejected, binding, approver=approver, reason=record.reason)
        elif record.state is ApprovalState.EXPIRED:
            event = self._record(ApprovalExpired, binding)
        if event is not None:
            key = binding.approval_key()
            if record.grant is not None:
                self._grants.record_given(record.grant)
            self._recorder.record(RunResumed, binding.scope, key, parents=(event,), answered=key)
            self._recorder.commit()
        return event

    def was_rejected(self, binding: Binding) -> bool:
        """Whether a person already rejected this very call earlier in the same run.

        Raises:
            LedgerError: If the ledger cannot be read, or the record was edited at rest.
        """
        row = self._ledger.get(Table.APPROVALS, _rejection_key(binding))
        return row is not None and open_row(self._sealer, row, ApprovalRecord).state is ApprovalState.REJECTED

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
        return Change(close_row(self._sealer, Table.APPROVALS, key, used), replaces=row.seal)

    def _keep(self, changes: list[Change], grant: StandingGrant | None) -> bool:
        """Keep an answer, along with what was granted beside others that are being given in the same place."""
        if grant is None:
            return self._ledger.apply(changes, durable=True)
        attempts = (self._ledger.apply([*changes, self._grants.keeping(grant)], durable=True) for _ in range(_ATTEMPTS))
        return any(attempts)

    def _settle(self, record: ApprovalRecord, binding: Binding, answer: Answer, approver: Approver) -> ApprovalRecord:
        if self._clock.now() >= record.expires_at:
            return record.model_copy(update={"state": ApprovalState.EXPIRED})
        rejected = {"state": ApprovalState.REJECTED, "approver": approver}
        if binding.claims() != record.binding.claims():
            reason = "answered in another context (user, policy or place) than it was asked in"
            return record.model_copy(update={**rejected, "reason": reason})
        if isinstance(answer, Reject):
            return record.model_copy(update={**rejected, "reason": answer.reason[:_REASON_LIMIT]})
        granted: dict[str, object] = {"state": ApprovalState.GRANTED, "approver": approver}
        if isinstance(answer, Edit):
            if answer.call.tool != record.binding.tool:
                return record.model_copy(update={**rejected, "reason": "an edit may not change the tool"})
            granted["edited_call"] = answer.call.digest
        elif answer.grant is not None:
            try:
                granted["grant"] = self._grants.make(record.binding, answer.grant, record.briefing.grants, approver)
            except GrantError as error:
                return record.model_copy(update={**rejected, "reason": error.message})
        return record.model_copy(update=granted)

    def _remember_rejection(self, record: ApprovalRecord) -> list[Change]:
        key = _rejection_key(record.binding)
        if self._ledger.get(Table.APPROVALS, key) is not None:
            return []
        return [Change(close_row(self._sealer, Table.APPROVALS, key, record))]

    def _record(self, kind: _ApprovalKind, binding: Binding, *, parents: tuple[str, ...] = (), **facts: Any) -> str:
        key = binding.approval_key()
        return self._recorder.record(
            kind,
            binding.scope,
            key,
            parents=parents,
            plan=binding.plan,
            call_id=binding.call_id,
            tool=binding.tool,
            call=binding.call,
            approval=key,
            **facts,
        )


def _rejection_key(binding: Binding) -> str:
    scope = binding.scope
    where: JsonValue = [scope.principal.tenant, scope.thread, scope.trace, binding.call]
    return digest("rejection", where)
