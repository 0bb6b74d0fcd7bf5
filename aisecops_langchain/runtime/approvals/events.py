"""What the log is told of approvals.

Invariant: every event is a function of the sealed record, so that writing it again, in whatever process, says the same.
"""

from __future__ import annotations

from typing import Any

from aisecops_langchain.domain.approval import ApprovalRequirement, Vote
from aisecops_langchain.domain.events import (
    ApprovalAnswerRefused,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    ApprovalVoted,
    Event,
    RunPaused,
    RunResumed,
)
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.runtime.approvals.votes import demanded, missing
from aisecops_langchain.runtime.grants.events import given_event
from aisecops_langchain.runtime.ledger.records import ApprovalRecord
from aisecops_langchain.runtime.recorder import Recorder, at

_SECOND = 1_000_000_000
_NOBODY = Approver(id="nobody")


class ApprovalLog:
    """Writes the events of approvals.

    Args:
        recorder: Writes events.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def asked(self, record: ApprovalRecord) -> None:
        """Write that a person is asked, durably.

        Args:
            record: The request as it is kept.

        Raises:
            AuditWriteError: If it could not be made durable; so do the other methods.
        """
        binding, key = record.binding, record.binding.approval_key()
        facts: dict[str, Any] = {"expires_at": at(record.expires_at), "requires": record.requires}
        asked = self._write(ApprovalRequested, record, parents=record.parents, **facts)
        self._recorder.record(RunPaused, binding.scope, key, parents=(asked,), waiting_for=key)
        self._recorder.commit()

    def answered(self, record: ApprovalRecord, *, resumes: bool) -> str | None:
        """Write all that is known of the answers, durably.

        Args:
            record: The approval as kept.
            resumes: Whether the run goes on with it.

        Returns:
            Id of the event that settled it, or ``None`` while it is pending.
        """
        for number, vote in enumerate(record.votes[: -1 if _is_granted(record) else None]):
            self._voted(record, number, vote)
        event = self._settled(record)
        if record.grant is not None:
            self._recorder.write([given_event(self._recorder, record.grant)])
        if event is not None and resumes:
            key = record.binding.approval_key()
            self._recorder.record(RunResumed, record.binding.scope, key, parents=(event,), answered=key)
        if event is not None or record.votes:
            self._recorder.commit()
        return event

    def refused(
        self, record: ApprovalRecord, approver: Approver | None, *, answer: str, code: str, mark: str, now: int
    ) -> None:
        """Write that somebody's answer does not count, durably.

        Args:
            record: The request, which stays as it is.
            approver: Who answered.
            answer: What kind of answer.
            code: Why it does not count.
            mark: Tells this answer from others to the same request.
            now: When it came, in nanoseconds since the Unix epoch.
        """
        who = approver or Approver(id="unidentified")
        facts: dict[str, Any] = {"answer": answer, "code": code, "waited_seconds": _waited(record, now)}
        self._write(ApprovalAnswerRefused, record, mark, approver=who, **facts)
        self._recorder.commit()

    def escalated(self, record: ApprovalRecord, requirement: ApprovalRequirement) -> None:
        """Write that others may answer from now on.

        Args:
            record: The request.
            requirement: The requirement of it that escalated.
        """
        late = requirement.escalate
        if late is not None:
            roles = requirement.roles_after(late.after_seconds)
            facts: dict[str, Any] = {"rule": requirement.rule, "after_seconds": late.after_seconds, "roles": roles}
            self._write(ApprovalEscalated, record, requirement.rule, **facts)

    def _voted(self, record: ApprovalRecord, number: int, vote: Vote) -> None:
        scope, votes = record.binding.scope, record.votes[: number + 1]
        lacking = missing(demanded(record.requires), votes, scope.principal, record.requested_at)
        facts: dict[str, Any] = {
            "approver": vote.approver,
            "missing": lacking,
            "reason": vote.reason,
            "waited_seconds": _waited(record, vote.at),
        }
        self._write(ApprovalVoted, record, str(number), **facts)

    def _settled(self, record: ApprovalRecord) -> str | None:
        facts: dict[str, Any] = {
            "approver": record.approver or _NOBODY,
            "waited_seconds": _waited(record, record.answered_at),
        }
        match record.state:
            case ApprovalState.GRANTED | ApprovalState.CONSUMED:
                voted = tuple(vote.approver for vote in record.votes) if len(record.votes) > 1 else ()
                facts["reason"] = record.votes[-1].reason if record.votes else ""
                return self._write(ApprovalGranted, record, edited=record.edited_call, voted=voted, **facts)
            case ApprovalState.REJECTED | ApprovalState.VOID:
                return self._write(ApprovalRejected, record, reason=record.reason, **facts)
            case ApprovalState.RESPONDED:
                return self._write(ApprovalResponded, record, response=record.response or "", **facts)
            case ApprovalState.EXPIRED:
                return self._write(ApprovalExpired, record, votes=len(record.votes))
            case _:
                return None

    def _write(
        self, kind: type[Event], record: ApprovalRecord, *identity: str, parents: tuple[str, ...] = (), **facts: Any
    ) -> str:
        binding, key = record.binding, record.binding.approval_key()
        return self._recorder.record(
            kind,
            binding.scope,
            key,
            *identity,
            parents=parents,
            plan=binding.plan,
            call_id=binding.call_id,
            tool=binding.tool,
            call=binding.call,
            approval=key,
            **facts,
        )


def _is_granted(record: ApprovalRecord) -> bool:
    return record.state in (ApprovalState.GRANTED, ApprovalState.CONSUMED)


def _waited(record: ApprovalRecord, answered_at: int | None) -> float | None:
    return None if answered_at is None else round((answered_at - record.requested_at) / _SECOND, 3)
