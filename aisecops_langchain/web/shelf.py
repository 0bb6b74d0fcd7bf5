"""Reads single runs by the index, one reader at a time.

Invariant: what is read is compared with the hash from when it was indexed; the index belongs to one thread, because
two that bring it up to date at once would undo each other's work.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aisecops_langchain.audit import SegmentClosed, SegmentOpened
from aisecops_langchain.audit.lines import split_line
from aisecops_langchain.audit.reader import parse_body
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.index import LocatedLine, TraceIndex
from aisecops_langchain.forensics.trace import Trace, is_span, traces_of
from aisecops_langchain.web.refusals import TooLargeError

MOST_EVENTS: Final = 50_000
"""Longest run that is shown."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as read."""

    trace: Trace
    places: dict[str, LocatedLine]
    """The line in which each event was first recorded, by its id."""

    @property
    def tenants(self) -> frozenset[str]:
        """The organisations that it touches; what the callback handler witnessed counts only where nothing else is."""
        governed = frozenset(event.principal.tenant for event in self.trace.events if not is_span(event))
        return governed or frozenset(event.principal.tenant for event in self.trace.events)


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
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="index")

    def close(self) -> None:
        """Give the index back."""
        self._reader.submit(self._close).result()
        self._reader.shutdown()

    def warm(self) -> None:
        """Begin to bring the index up to date; nobody waits for it."""
        self._reader.submit(self._located, "")

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
        lines = self._reader.submit(self._located, trace).result()
        if len(lines) > MOST_EVENTS:
            raise TooLargeError(
                "the run is too long to be shown here",
                expected=f"at most {MOST_EVENTS} events",
                got=f"{len(lines)} events",
                remedy="use: aisecops replay summary --trace ID",
            )
        events: list[AnyEvent] = []
        places: dict[str, LocatedLine] = {}
        for line in lines:
            event = event_of(line.data)
            if event is not None and event.trace == trace:
                events.append(event)
                places.setdefault(event.id, line)
        return Run(traces_of(events)[0], places) if events else None

    def _located(self, trace: str) -> list[LocatedLine]:
        if self._index is None:
            self._index = TraceIndex(self._log, self._folder)
        return self._index.located(trace)

    def _close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


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
