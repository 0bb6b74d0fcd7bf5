"""What a log holds, for readers.

Invariant: a run is given only to a caller who may see every tenant that it touched; that there is such a run, no other
caller can tell.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from aisecops_langchain.audit import SegmentClosed, SegmentOpened, read_log, verify_log
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.delegation import Delegation, delegations_of
from aisecops_langchain.forensics.trace import Trace, traces_of
from aisecops_langchain.web.access import Caller
from aisecops_langchain.web.refusals import NotFoundError
from aisecops_langchain.web.rows import RunRow, row_of_run
from aisecops_langchain.web.standing import CHECKING, Standing, standing_of


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some of the runs that a caller asked for, the latest first."""

    runs: tuple[RunRow, ...]
    total: int
    """How many there are on all pages."""
    offset: int
    limit: int


class Library:
    """Reads one log.

    Args:
        log: The log directory.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._traces: dict[str, Trace] = {}
        self._delegations: tuple[Delegation, ...] = ()
        self._standing = CHECKING

    def standing(self) -> Standing:
        """Say what is known of the log itself."""
        self._refresh()
        return self._standing

    def runs(self, caller: Caller, *, offset: int, limit: int) -> RunPage:
        """List runs, the latest first.

        Args:
            caller: Who asks.
            offset: How many to leave out.
            limit: How many to give at most.

        Returns:
            The page.
        """
        self._refresh()
        seen = [trace for trace in self._traces.values() if _visible(trace, caller)]
        rows = sorted(map(row_of_run, seen), key=lambda row: (row.started, row.trace), reverse=True)
        return RunPage(tuple(rows[offset : offset + limit]), len(rows), offset, limit)

    def trace(self, identity: str, caller: Caller) -> Trace:
        """Read one run.

        Args:
            identity: Its id.
            caller: Who asks.

        Returns:
            The run.

        Raises:
            NotFoundError: If there is none, or none that the caller may see.
        """
        self._refresh()
        found = self._traces.get(identity)
        if found is None or not _visible(found, caller):
            raise NotFoundError("there is no such run", expected="the id of a run in this log")
        return found

    def traces(self, caller: Caller) -> tuple[Trace, ...]:
        """Read all runs that a caller may see, by their beginning.

        Args:
            caller: Who asks.
        """
        self._refresh()
        return tuple(trace for trace in self._traces.values() if _visible(trace, caller))

    def delegations(self) -> tuple[Delegation, ...]:
        """Tell who acted for whom, over all runs."""
        self._refresh()
        return self._delegations

    def _refresh(self) -> None:
        with self._lock:
            sizes = {path.name: path.stat().st_size for path in segment_paths(self.log)}
            if sizes == self._sizes:
                return
            events, unreadable = _events(self.log)
            self._traces = {trace.id: trace for trace in traces_of(events)}
            self._delegations = delegations_of(events)
            self._standing = standing_of(verify_log(self.log), unreadable=unreadable)
            self._sizes = sizes


def _visible(trace: Trace, caller: Caller) -> bool:
    return all(caller.sees(event.principal.tenant) for event in trace.events)


def _events(log: Path) -> tuple[list[AnyEvent], int]:
    events: list[AnyEvent] = []
    unreadable = 0
    for entry in read_log(log):
        try:
            parsed = entry.parse()
        except AuditFormatError:
            unreadable += 1
            continue
        if not isinstance(parsed, SegmentOpened | SegmentClosed):
            events.append(parsed)
    return events, unreadable
