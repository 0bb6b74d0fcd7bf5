"""How long the stages of a run took.

Invariant: only matched beginnings and ends are timed; what stays open is counted as open, not guessed.
"""

from __future__ import annotations

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import ExecutionFailed, ModelFailed, RetrievalFailed, ToolFailed
from aisecops_langchain.forensics.pairs import APPROVAL, EXECUTION, MODEL, RETRIEVAL, TOOL, Pair, pairs_of
from aisecops_langchain.forensics.trace import Trace

_FAILURES = (ModelFailed, ToolFailed, RetrievalFailed, ExecutionFailed)


class StageLatency(Frozen):
    """Spans of one kind."""

    stage: str
    """``model``, ``retrieval``, ``tool``, ``execution`` or ``approval``."""
    count: int
    failed: int
    open: int
    """Begun without a recorded end."""
    total_ms: float
    max_ms: float


def latency_of(trace: Trace) -> tuple[StageLatency, ...]:
    """Time the stages of a run.

    Args:
        trace: The trace.

    Returns:
        One entry per stage that occurred, times in milliseconds.
    """
    pairs = pairs_of(trace)
    stages = (MODEL, RETRIEVAL, TOOL, EXECUTION, APPROVAL)
    return tuple(
        _latency(stage, [pair for pair in pairs if pair.what == stage]) for stage in stages if _in(stage, pairs)
    )


def _in(stage: str, pairs: tuple[Pair, ...]) -> bool:
    return any(pair.what == stage for pair in pairs)


def _latency(stage: str, pairs: list[Pair]) -> StageLatency:
    times = [pair.duration_ms for pair in pairs if pair.duration_ms is not None]
    return StageLatency(
        stage=stage,
        count=len(pairs),
        failed=sum(isinstance(pair.end, _FAILURES) for pair in pairs),
        open=sum(pair.end is None for pair in pairs),
        total_ms=round(sum(times), 3),
        max_ms=max(times, default=0.0),
    )
