"""What people were asked in a run, and what they answered.

Invariant: an approval counts as granted only while its last recorded answer is a grant; without an
answer it is pending.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import ApprovalExpired, ApprovalGranted, ApprovalRejected, ApprovalRequested
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics.trace import Trace


class ApprovalAsked(Frozen):
    """One approval request and its answer."""

    approval: str
    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the call that was asked about."""
    state: Literal[ApprovalState.PENDING, ApprovalState.GRANTED, ApprovalState.REJECTED, ApprovalState.EXPIRED]
    approver: Approver | None = None
    edited_call: str | None = None
    """Digest of the call that the person put in its place."""
    answered_after_s: float | None = None
    """Seconds from the request to the answer."""


class ApprovalSummary(Frozen):
    """All approval requests of a run."""

    asked: int
    granted: int
    rejected: int
    expired: int
    pending: int
    requests: tuple[ApprovalAsked, ...]


def approvals_of(trace: Trace) -> ApprovalSummary:
    """Collect the approval requests of a run.

    Args:
        trace: The trace.

    Returns:
        Counts and requests in causal order; an answer that nobody asked for is a problem, not a request.
    """
    asked: dict[str, ApprovalAsked] = {}
    requests: dict[str, ApprovalRequested] = {}
    for event in trace.events:
        match event:
            case ApprovalRequested() if event.approval not in asked:
                requests[event.approval] = event
                asked[event.approval] = _pending(event)
            case ApprovalGranted() | ApprovalRejected() | ApprovalExpired() if event.approval in asked:
                asked[event.approval] = _answered(requests[event.approval], event)
            case _:
                pass
    states = Counter(item.state for item in asked.values())
    return ApprovalSummary(
        asked=len(asked),
        granted=states[ApprovalState.GRANTED],
        rejected=states[ApprovalState.REJECTED],
        expired=states[ApprovalState.EXPIRED],
        pending=states[ApprovalState.PENDING],
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


def _answered(
    request: ApprovalRequested, answer: ApprovalGranted | ApprovalRejected | ApprovalExpired
) -> ApprovalAsked:
    seconds = round((answer.time - request.time).total_seconds(), 3)
    pending = _pending(request)
    match answer:
        case ApprovalGranted():
            facts = {"state": ApprovalState.GRANTED, "approver": answer.approver, "edited_call": answer.edited}
        case ApprovalRejected():
            facts = {"state": ApprovalState.REJECTED, "approver": answer.approver}
        case ApprovalExpired():
            facts = {"state": ApprovalState.EXPIRED}
    return pending.model_copy(update={**facts, "answered_after_s": seconds})
