"""Beginnings and ends that belong together: spans, executions, approvals, runs.

Invariant: an end closes at most one beginning, of its own kind and identity, that stands before it; what has no
partner stays open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    Event,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
    ModelFailed,
    ModelFinished,
    ModelStarted,
    RetrievalFailed,
    RetrievalFinished,
    RetrievalStarted,
    RunFinished,
    RunStarted,
    ToolFailed,
    ToolFinished,
    ToolStarted,
)
from aisecops_langchain.forensics.trace import Trace

_Identity: TypeAlias = tuple[str, ...]

RUN: Final = "run"
MODEL: Final = "model"
TOOL: Final = "tool"
RETRIEVAL: Final = "retrieval"
APPROVAL: Final = "approval"
EXECUTION: Final = "execution"

_SPANS: Final[dict[type[Event], str]] = {
    **dict.fromkeys((ModelStarted, ModelFinished, ModelFailed), MODEL),
    **dict.fromkeys((ToolStarted, ToolFinished, ToolFailed), TOOL),
    **dict.fromkeys((RetrievalStarted, RetrievalFinished, RetrievalFailed), RETRIEVAL),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A beginning and its end."""

    what: str
    """``run``, ``model``, ``tool``, ``retrieval``, ``approval`` or ``execution``."""
    start: AnyEvent
    end: AnyEvent | None

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds between the two, or None while open; below zero where a clock went back."""
        return None if self.end is None else milliseconds(self.start, self.end)


def milliseconds(start: AnyEvent, end: AnyEvent) -> float:
    """Time between two events.

    Args:
        start: The earlier event.
        end: The later event.

    Returns:
        Milliseconds, to the microsecond.
    """
    return round((end.time - start.time).total_seconds() * 1000, 3)


def pairs_of(trace: Trace) -> tuple[Pair, ...]:
    """Match beginnings with ends.

    Args:
        trace: The trace.

    Returns:
        One pair per beginning, in the order of the beginnings.
    """
    pairs: dict[int, Pair] = {}
    open_at: dict[_Identity, list[int]] = {}
    for position, event in enumerate(trace.events):
        beginning = _begins(event)
        if beginning is not None:
            pairs[position] = Pair(what=beginning[0], start=event, end=None)
            open_at.setdefault(beginning, []).append(position)
            continue
        ending = _ends(event)
        if ending is not None and open_at.get(ending):
            started = open_at[ending].pop(0)
            pairs[started] = Pair(what=ending[0], start=pairs[started].start, end=event)
    return tuple(pairs.values())


def _begins(event: AnyEvent) -> _Identity | None:
    """Identity of what an event begins, if it begins anything."""
    match event:
        case RunStarted():
            return (RUN,)
        case ModelStarted() | ToolStarted() | RetrievalStarted():
            return _SPANS[type(event)], event.run
        case ApprovalRequested():
            return APPROVAL, event.approval
        case ExecutionStarted():
            return EXECUTION, event.plan, event.call_id, event.permit
        case _:
            return None


def _ends(event: AnyEvent) -> _Identity | None:
    """Identity of what an event ends, if it ends anything."""
    match event:
        case RunFinished():
            return (RUN,)
        case ModelFinished() | ToolFinished() | RetrievalFinished():
            return _SPANS[type(event)], event.run
        case ModelFailed() | ToolFailed() | RetrievalFailed():
            return _SPANS[type(event)], event.run
        case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
            return APPROVAL, event.approval
        case ExecutionCompleted() | ExecutionFailed() | ExecutionUnknown() | ExecutionRetried():
            return EXECUTION, event.plan, event.call_id, event.permit
        case _:
            return None
