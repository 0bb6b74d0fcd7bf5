"""How a run ended, or that it has not.

Invariant: a run without a recorded end is ``paused`` where somebody is still asked, else ``unfinished``; never assumed
to be well.
"""

from __future__ import annotations

from enum import StrEnum

from aisecops_langchain.domain.events import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalResponded,
    RunFinished,
    RunPaused,
    RunResumed,
)
from aisecops_langchain.forensics.trace import Trace


class Outcome(StrEnum):
    """How a run ended, or that it has not."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    BLOCKED = "blocked"
    PAUSED = "paused"
    UNFINISHED = "unfinished"


def outcome_of(trace: Trace) -> tuple[Outcome, RunFinished | None]:
    """Tell how a run ended.

    Args:
        trace: The trace.

    Returns:
        The outcome, and the event that records it, where one does.
    """
    ends = [event for event in trace.events if isinstance(event, RunFinished)]
    return (Outcome(ends[-1].outcome), ends[-1]) if ends else (_open_outcome(trace), None)


def _open_outcome(trace: Trace) -> Outcome:
    """Tell a run that waits for a person from one that just stops in the log."""
    waiting = {event.waiting_for for event in trace.events if isinstance(event, RunPaused)}
    for event in trace.events:
        match event:
            case RunResumed():
                waiting.discard(event.answered)
            case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
                waiting.discard(event.approval)
            case _:
                pass
    return Outcome.PAUSED if waiting else Outcome.UNFINISHED
