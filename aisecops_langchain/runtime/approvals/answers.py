"""What people answer to a request, and what one answer makes of it.

Invariant: ``settle`` is a pure function of the sealed record, the answer and the time. An answer of somebody who may
not answer changes nothing; one of somebody who may and that is not clearly a yes is a no.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from aisecops_langchain.domain.approval import Vote
from aisecops_langchain.domain.grant import GrantRequest
from aisecops_langchain.domain.permit import ApprovalState, Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import GrantError
from aisecops_langchain.runtime.approvals.votes import demanded, has_voted, may_answer, missing
from aisecops_langchain.runtime.grants.bounds import make_grant
from aisecops_langchain.runtime.ledger.records import ApprovalRecord

_REASON_LIMIT: Final = 500
_NOBODY: Final = Approver(id="nobody")


@dataclass(frozen=True, slots=True)
class Approve:
    """Yes, to exactly the call that was shown."""

    grant: GrantRequest | None = None
    """What later calls like it are to be let run without asking; all of the answer counts, or nothing."""
    reason: str = ""
    """Why, for the record; the model is not told."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Yes, but to this call instead; policy decides on it anew."""

    call: CanonicalCall


@dataclass(frozen=True, slots=True)
class Reject:
    """No; also what every answer that cannot be understood comes to."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Respond:
    """Neither: the call does not run, and the model is told something instead."""

    digest: str
    """Of the words."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An answer that names other calls only; to this one nobody said anything."""


Answer = Approve | Edit | Reject | Respond | Elsewhere

ANSWER_NAMES: Final[dict[type[Answer], str]] = {
    Approve: "approve",
    Edit: "edit",
    Reject: "reject",
    Respond: "respond",
    Elsewhere: "elsewhere",
}
"""How events name the kinds of answers."""


class Settled(NamedTuple):
    """What an answer makes of a request."""

    record: ApprovalRecord
    refused: str | None = None
    """Why the answer does not count, as a code of ``votes.REFUSALS``; but for this note the record is as it was."""


def settle(record: ApprovalRecord, binding: Binding, answer: Answer, approver: Approver | None, now: int) -> Settled:
    """Apply an answer to a pending request.

    Args:
        record: The request.
        binding: The call as it stands where the answer came in.
        answer: What was answered.
        approver: Who answered; ``None`` where that should be known and could not be told.
        now: Nanoseconds since the Unix epoch.

    Returns:
        The request as it stands afterwards, or why the answer does not count.
    """
    if now >= record.expires_at:
        return Settled(closed(record, ApprovalState.EXPIRED, now))
    if not binding.same_but_person(record.binding):  # whoever says what: it is nobody's no
        return Settled(_void(record, binding, now))
    refused = _bar(record, binding, answer, approver, now)
    if refused is not None or approver is None:
        return _refusing(record, refused or "unidentified")
    return _applied(record, answer, approver, now)


def _applied(record: ApprovalRecord, answer: Answer, approver: Approver, now: int) -> Settled:
    match answer:
        case Reject():
            return Settled(_no(record, approver, answer.reason, now))
        case Respond():
            facts = {"approver": approver, "response": answer.digest}
            return Settled(closed(record, ApprovalState.RESPONDED, now, **facts))
        case Edit() if answer.call.tool != record.binding.tool:
            return Settled(_no(record, approver, "an edit may not change the tool", now))
        case Edit():
            return _vote(record, approver, answer.call.digest, now, edited=answer.call.digest)
        case Approve():
            return _approved(record, answer, approver, now)
        case Elsewhere():
            return _refusing(record, "another_call")


def _approved(record: ApprovalRecord, answer: Approve, approver: Approver, now: int) -> Settled:
    """Count a yes, with a grant beside it or without, and keep why with the vote."""
    if answer.grant is None:
        settled = _vote(record, approver, record.binding.call, now)
    else:
        settled = _granting(record, answer.grant, approver, now)
    if settled.refused is not None:
        return settled
    *others, vote = settled.record.votes
    votes = (*others, vote.model_copy(update={"reason": answer.reason[:_REASON_LIMIT]}))
    return Settled(settled.record.model_copy(update={"votes": votes}))


def closed(record: ApprovalRecord, state: ApprovalState, now: int, **facts: object) -> ApprovalRecord:
    """Derive a request that takes no more answers; nobody has to read its arguments any more.

    Args:
        record: The request.
        state: How it ended.
        now: Nanoseconds since the Unix epoch.
        **facts: What else is known of its end.

    Returns:
        The record.
    """
    briefing = record.briefing.model_copy(update={"arguments": None})
    return record.model_copy(update={"state": state, "briefing": briefing, "answered_at": now, **facts})


def _bar(record: ApprovalRecord, binding: Binding, answer: Answer, approver: Approver | None, now: int) -> str | None:
    if approver is None:
        return "unidentified"
    requester, waited = record.binding.scope.principal, now - record.requested_at
    barred = _bar_abroad(record, binding, answer, approver)
    barred = barred or may_answer(demanded(record.requires), approver, requester, waited)
    if barred is None and isinstance(answer, Elsewhere):
        return "another_call"
    if barred is None and isinstance(answer, Approve | Edit) and has_voted(record.votes, approver):
        return "already_voted"
    return barred


def _bar_abroad(record: ApprovalRecord, binding: Binding, answer: Answer, approver: Approver) -> str | None:
    """Tell why an answer does not count that came where the run acts for another person than it was paused for."""
    if binding.claims() == record.binding.claims():
        return None
    if not _is_approvers_own(record, binding, approver):
        return "another_requester"
    return None if isinstance(answer, Approve | Reject) else "only_yes_or_no"


def _is_approvers_own(record: ApprovalRecord, binding: Binding, approver: Approver) -> bool:
    """Whether a run was resumed by the very person who answers, as a server does that runs each request as its caller.

    Who that is and whom the agent acts for are then both vouched for, and are judged one against the other.
    """
    before, now = record.binding.scope.principal, binding.scope.principal
    return (
        before.verified
        and now.verified
        and approver.verified
        and approver.id == now.user
        and approver.issuer == now.issuer
        and (before.agent, before.delegators) == (now.agent, now.delegators)
    )


def _refusing(record: ApprovalRecord, code: str) -> Settled:
    return Settled(record.model_copy(update={"last_refused": code}), code)


def _no(record: ApprovalRecord, approver: Approver, reason: str, now: int) -> ApprovalRecord:
    return closed(record, ApprovalState.REJECTED, now, approver=approver, reason=reason[:_REASON_LIMIT])


def _void(record: ApprovalRecord, binding: Binding, now: int) -> ApprovalRecord:
    reason = "answered in another context (policy, tool or place) than it was asked in"
    facts = {"approver": _NOBODY, "reason": reason, "void_by": binding.void_by(record.binding)}
    return closed(record, ApprovalState.VOID, now, **facts)


def _granting(record: ApprovalRecord, asked: GrantRequest, approver: Approver, now: int) -> Settled:
    """Count a yes with a grant beside it as a whole; it must be enough by itself, because others saw no grant."""
    settled = _vote(record, approver, record.binding.call, now)
    if settled.record.state is not ApprovalState.GRANTED or record.votes:
        return _refusing(record, "grant_needs_one")
    try:
        grant = make_grant(record, asked, approver, now=now)
    except GrantError:
        return _refusing(record, "grant_not_permitted")
    return Settled(settled.record.model_copy(update={"grant": grant}))


def _vote(record: ApprovalRecord, approver: Approver, call: str, now: int, *, edited: str | None = None) -> Settled:
    """Count a yes; an edit must be enough by itself, because others would have voted on something else."""
    votes = (*record.votes, Vote(approver=approver, call=call, at=now))
    lacking = missing(demanded(record.requires), votes, record.binding.scope.principal, record.requested_at)
    if call != record.binding.call and (lacking or record.votes):
        return _refusing(record, "edit_needs_one")
    if lacking:
        return Settled(record.model_copy(update={"votes": votes, "last_refused": None}))
    facts = {"approver": approver, "votes": votes, "edited_call": edited}
    return Settled(closed(record, ApprovalState.GRANTED, now, **facts))
