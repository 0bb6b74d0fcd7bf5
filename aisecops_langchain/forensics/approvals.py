"""What people were asked in a run, what they answered, and how long they looked.

Invariant: an approval counts as granted only while its last recorded answer is a grant; without an
answer it is pending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Literal, TypeAlias

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import (
    ApprovalAnswerRefused,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    ApprovalVoted,
)
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics.trace import Trace

_End: TypeAlias = ApprovalGranted | ApprovalRejected | ApprovalResponded | ApprovalExpired
_Said: TypeAlias = ApprovalVoted | ApprovalGranted | ApprovalRejected | ApprovalResponded
_SAID = (ApprovalVoted, ApprovalGranted, ApprovalRejected, ApprovalResponded)


class ApprovalAsked(Frozen):
    """One approval request and its answer."""

    approval: str
    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the call that was asked about."""
    state: Literal[
        ApprovalState.PENDING,
        ApprovalState.GRANTED,
        ApprovalState.REJECTED,
        ApprovalState.RESPONDED,
        ApprovalState.EXPIRED,
    ]
    approver: Approver | None = None
    """Who gave the answer that settled it."""
    voted: tuple[Approver, ...] = ()
    """Everybody who said yes before that."""
    edited_call: str | None = None
    """Digest of the call that the person put in its place."""
    answered_after_s: float | None = None
    """Seconds from the request to the answer that settled it."""
    refused: int = 0
    """Answers that did not count."""
    escalated: bool = False


class ApproverFigures(Frozen):
    """How one person answered; many fast answers that are all yes are a person who does not look any more."""

    approver: str
    verified: bool
    answered: int
    approved: int
    median_seconds: float | None = None
    """Half of the answers took at most so long."""


class ApprovalSummary(Frozen):
    """All approval requests of a run."""

    asked: int
    granted: int
    rejected: int
    responded: int = 0
    expired: int
    pending: int
    median_seconds: float | None = None
    """Half of the persons' answers took at most so long."""
    share_approved: float | None = None
    """Of all persons' answers, how many were a yes."""
    approvers: tuple[ApproverFigures, ...] = ()
    requests: tuple[ApprovalAsked, ...]


def approvals_of(trace: Trace) -> ApprovalSummary:
    """Collect the approval requests of a run.

    Args:
        trace: The trace.

    Returns:
        Counts, figures and requests in causal order; an answer that nobody asked for is a problem, not a request.
    """
    asked: dict[str, ApprovalAsked] = {}
    requests: dict[str, ApprovalRequested] = {}
    said: list[tuple[_Said, float]] = []
    for event in trace.events:
        match event:
            case ApprovalRequested() if event.approval not in asked:
                requests[event.approval] = event
                asked[event.approval] = _pending(event)
            case ApprovalVoted() | ApprovalAnswerRefused() | ApprovalEscalated() if event.approval in asked:
                asked[event.approval] = _meanwhile(asked[event.approval], event)
            case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired() if (
                event.approval in asked
            ):
                asked[event.approval] = _answered(asked[event.approval], requests[event.approval], event)
            case _:
                continue
        if isinstance(event, _SAID):
            said.append((event, _seconds(requests[event.approval], event)))
    states = Counter(item.state for item in asked.values())
    return ApprovalSummary(
        asked=len(asked),
        granted=states[ApprovalState.GRANTED],
        rejected=states[ApprovalState.REJECTED],
        responded=states[ApprovalState.RESPONDED],
        expired=states[ApprovalState.EXPIRED],
        pending=states[ApprovalState.PENDING],
        median_seconds=_median(seconds for _, seconds in said),
        share_approved=round(sum(map(_is_yes, said)) / len(said), 3) if said else None,
        approvers=_figures(said),
        requests=tuple(asked.values()),
    )


def _pending(request: ApprovalRequested) -> ApprovalAsked:
    return ApprovalAsked(
        approval=request.approval,
        plan=request.plan,
        call_id=request.call_id,
        tool=request.tool,
        call=request.call,
        state=ApprovalState.PENDING,
    )


def _meanwhile(asked: ApprovalAsked, event: ApprovalVoted | ApprovalAnswerRefused | ApprovalEscalated) -> ApprovalAsked:
    match event:
        case ApprovalVoted():
            return asked.model_copy(update={"voted": (*asked.voted, event.approver)})
        case ApprovalAnswerRefused():
            return asked.model_copy(update={"refused": asked.refused + 1})
        case ApprovalEscalated():
            return asked.model_copy(update={"escalated": True})


def _answered(asked: ApprovalAsked, request: ApprovalRequested, answer: _End) -> ApprovalAsked:
    facts: dict[str, object] = {"approver": None, "edited_call": None}
    match answer:
        case ApprovalGranted():
            facts |= {"state": ApprovalState.GRANTED, "approver": answer.approver, "edited_call": answer.edited}
        case ApprovalRejected():
            facts |= {"state": ApprovalState.REJECTED, "approver": answer.approver}
        case ApprovalResponded():
            facts |= {"state": ApprovalState.RESPONDED, "approver": answer.approver}
        case ApprovalExpired():
            facts |= {"state": ApprovalState.EXPIRED}
    return asked.model_copy(update={**facts, "answered_after_s": _seconds(request, answer)})


def _seconds(request: ApprovalRequested, answer: _End | _Said) -> float:
    told = None if isinstance(answer, ApprovalExpired) else answer.waited_seconds
    return round((answer.time - request.time).total_seconds(), 3) if told is None else told


def _is_yes(said: tuple[_Said, float]) -> bool:
    return isinstance(said[0], ApprovalVoted | ApprovalGranted)


def _median(seconds: Iterable[float]) -> float | None:
    known = list(seconds)
    return round(median(known), 3) if known else None


def _figures(said: list[tuple[_Said, float]]) -> tuple[ApproverFigures, ...]:
    persons = sorted({(event.approver.id, event.approver.verified) for event, _ in said})
    made = []
    for person in persons:
        theirs = [item for item in said if (item[0].approver.id, item[0].approver.verified) == person]
        made.append(
            ApproverFigures(
                approver=person[0],
                verified=person[1],
                answered=len(theirs),
                approved=sum(map(_is_yes, theirs)),
                median_seconds=_median(seconds for _, seconds in theirs),
            )
        )
    return tuple(made)
