"""All runs at a glance: one row per run, small enough to hold for every run of a large log.

Invariant: a row is a function of the set of recorded events; it says nothing of gaps and violations, which take the
whole run to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from aisecops_langchain.audit import LogEntry, SegmentClosed, SegmentOpened
from aisecops_langchain.audit.lines import RawLine
from aisecops_langchain.audit.reader import merged, read_line
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.summary import Summary, summarize
from aisecops_langchain.forensics.trace import Trace, traces_of


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


def rows_of_lines(segments: Mapping[str, Iterable[bytes]]) -> Iterator[TraceRow]:
    """Tell the runs that some lines of a log are of.

    Args:
        segments: Lines by segment, in its order, its opening record among them: that sets the time from which on a
            segment is merged.

    Returns:
        One row per run, by the time of its first event; lines that are no events are left out.
    """
    events = (_event(entry) for entry in merged(_entries(name, lines) for name, lines in segments.items()))
    return (row_of(trace) for trace in traces_of(event for event in events if event is not None))


def _entries(segment: str, lines: Iterable[bytes]) -> Iterator[LogEntry]:
    return (read_line(segment, RawLine(0, line, complete=True)) for line in lines)


def _event(entry: LogEntry) -> AnyEvent | None:
    try:
        parsed = entry.parse()
    except AuditFormatError:
        return None
    return None if isinstance(parsed, SegmentOpened | SegmentClosed) else parsed
