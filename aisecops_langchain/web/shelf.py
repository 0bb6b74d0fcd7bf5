"""Reads single runs by the index, one reader at a time, and keeps the last ones.

Invariant: each time that a run is asked for, every line of it is read and compared with the hash from when it was
indexed; what was made of the lines is given again only if they are the same. The index belongs to one thread, because
two that bring it up to date at once would undo each other's work.
"""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.audit import SegmentClosed, SegmentOpened
from aisecops_langchain.audit.lines import split_line
from aisecops_langchain.audit.reader import parse_body
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.diff import WithinRun, compare_within
from aisecops_langchain.forensics.graph import Graph, Taint, execution_graph
from aisecops_langchain.forensics.index import LocatedLine, TraceIndex
from aisecops_langchain.forensics.summary import Summary, summarize
from aisecops_langchain.forensics.timeline import Timeline
from aisecops_langchain.forensics.trace import Trace, is_span, traces_of
from aisecops_langchain.web.refusals import TooLargeError

MOST_EVENTS: Final = 120_000
"""Longest run that is shown; an event takes 6 to 10 kB of memory while its run is kept."""
MOST_KEPT: Final = 20_000
"""Events of all runs that are kept; the last run is kept however long it is."""
_MANY: Final = 10_000
"""So many new events are worth to be set apart from the collector of cycles."""


@dataclass(frozen=True)
class Run:
    """One run as read, and what was once worked out of it."""

    trace: Trace
    places: dict[str, LocatedLine]
    """The line in which each event was first recorded, by its id."""

    @cached_property
    def summary(self) -> Summary:
        """The run at a glance, without the runs around it."""
        return summarize(self.trace)

    @cached_property
    def timeline(self) -> Timeline:
        """Tells its events."""
        return Timeline(self.trace)

    @cached_property
    def calls(self) -> tuple[WithinRun, ...]:
        """What was planned, decided and executed."""
        return compare_within(self.trace)

    @cached_property
    def graph(self) -> Graph:
        """What followed from what."""
        return execution_graph([self.trace])

    @cached_property
    def taint(self) -> Taint:
        """Where its arguments came from."""
        return Taint(self.graph)

    @cached_property
    def tenants(self) -> frozenset[str]:
        """The organisations that it touches; what the callback handler witnessed counts only where nothing else is."""
        governed = frozenset(event.principal.tenant for event in self.trace.events if not is_span(event))
        return governed or frozenset(event.principal.tenant for event in self.trace.events)


class _Kept(NamedTuple):
    """A run that was read, and from what."""

    lines: list[LocatedLine]
    events: list[AnyEvent | None]
    """The events of these lines; None for a line that holds none."""
    run: Run | None = None


class Shelf:
    """The runs of one log.

    Args:
        log: The log directory.
        folder: Where the index lies.
    """

    def __init__(self, log: Path, folder: Path) -> None:
        self._log = log
        self._folder = folder
        self._index: TraceIndex | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="index")

    def close(self) -> None:
        """Give the index back."""
        self._reader.submit(self._close).result()
        self._reader.shutdown()

    def warm(self) -> None:
        """Begin to bring the index up to date; nobody waits for it."""
        self._reader.submit(self._read, "")

    def run(self, trace: str) -> Run | None:
        """Read one run.

        Args:
            trace: The run.

        Returns:
            The run, or None if the log has none of that name, or no event of it that can be read.

        Raises:
            TooLargeError: If it is too long to be shown.
            AuditFormatError: If a segment cannot be read.
            IndexFaultError: If the index cannot be made.
        """
        return self._reader.submit(self._read, trace).result()

    def _read(self, trace: str) -> Run | None:
        if self._index is None:
            self._index = TraceIndex(self._log, self._folder)
        lines = self._index.located(trace)
        kept = self._kept.pop(trace, _Kept([], []))
        if lines != kept.lines:
            kept = _made(trace, lines, kept if lines[: len(kept.lines)] == kept.lines else _Kept([], []))
        if kept.run is not None:
            self._keep(trace, kept)
        return kept.run

    def _keep(self, trace: str, kept: _Kept) -> None:
        self._kept[trace] = kept
        events = sum(len(item.lines) for item in self._kept.values())
        while events > MOST_KEPT and len(self._kept) > 1:
            events -= len(self._kept.popitem(last=False)[1].lines)

    def _close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


def _made(trace: str, lines: list[LocatedLine], before: _Kept) -> _Kept:
    """Make a run of its lines, the first of which may have been read as events before."""
    if len(lines) > MOST_EVENTS:
        raise TooLargeError(
            "the run is too long to be shown here",
            expected=f"at most {MOST_EVENTS} events",
            got=f"{len(lines)} events",
            remedy="use: aisecops replay summary --trace ID",
        )
    with _uncollected(len(lines) - len(before.lines)):
        events = [*before.events, *(event_of(line.data) for line in lines[len(before.lines) :])]
    own: list[AnyEvent] = []
    places: dict[str, LocatedLine] = {}
    for line, event in zip(lines, events, strict=True):
        if event is not None and event.trace == trace:
            own.append(event)
            places.setdefault(event.id, line)
    return _Kept(lines, events, Run(traces_of(own)[0], places) if own else None)


@contextmanager
def _uncollected(lines: int) -> Iterator[None]:
    """Keep the collector of cycles, which finds none in events, from going through all of them again and again.

    Many events are set apart from it for good: they are freed all the same when nobody holds them any more. What was
    garbage before is collected first, since it would be set apart with them.
    """
    if lines > _MANY:
        gc.collect()
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
        if lines > _MANY:
            gc.freeze()


def event_of(line: bytes) -> AnyEvent | None:
    """Read the event of a line.

    Args:
        line: The exact line.

    Returns:
        The event; None for what is none.
    """
    parts = split_line(line)
    if parts is None:
        return None
    try:
        parsed = parse_body(parts.body)
    except AuditFormatError:
        return None
    return None if isinstance(parsed, SegmentOpened | SegmentClosed) else parsed
