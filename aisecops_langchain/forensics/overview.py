"""All runs at a glance: one row per run, small enough to hold for every run of a large log.

Invariant: a row is a function of the set of recorded events; it says nothing of gaps and violations, which take the
whole run to find.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.summary import Summary, summarize
from aisecops_langchain.forensics.trace import Trace


class TraceRow(NamedTuple):
    """One run in one row."""

    trace: str
    agent: str
    outcome: Outcome
    started: datetime
    duration_ms: float
    """Milliseconds from the first to the last event."""
    allowed: int
    asked: int
    denied: int
    executed: int
    """How many calls were started."""
    events: int


def row_of(trace: Trace) -> TraceRow:
    """Tell one run.

    Args:
        trace: The trace.

    Returns:
        Its row.
    """
    return row_of_summary(summarize(trace))


def row_of_summary(summary: Summary) -> TraceRow:
    """Shorten a summary.

    Args:
        summary: The summary.

    Returns:
        Its row.
    """
    return TraceRow(
        trace=summary.trace,
        agent=summary.principal.agent,
        outcome=summary.outcome,
        started=summary.started,
        duration_ms=summary.duration_ms,
        allowed=summary.decisions[Effect.ALLOW],
        asked=summary.decisions[Effect.REQUIRE_APPROVAL],
        denied=summary.decisions[Effect.DENY],
        executed=sum(effect.starts > 0 for effect in summary.effects),
        events=sum(summary.events.values()),
    )
