"""Stores in memory that behave as the real ones do at their ports.

Invariant: compare-and-set is exact under any number of threads; nothing survives the process.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence

from aisecops_langchain.domain.events import Event, parse_event
from aisecops_langchain.runtime.ledger.marks import mark_of, marked
from aisecops_langchain.runtime.ports import Change, Charge, Row, Table


class MemoryLedger:
    """A ledger for one process."""

    def __init__(self) -> None:
        self.owner = "memory"
        self._rows: dict[tuple[Table, str], Row] = {}
        self._counters: Counter[str] = Counter()
        self._lock = threading.Lock()

    def is_alive(self, owner: str) -> bool:
        """Whether the owner is this very process."""
        return owner == self.owner

    def get(self, table: Table, key: str) -> Row | None:
        """Read one row."""
        with self._lock:
            return self._rows.get((table, key))

    def apply(
        self,
        changes: Sequence[Change],
        *,
        durable: bool,  # noqa: ARG002 - nothing here is durable
        charges: Sequence[Charge] = (),
    ) -> bool:
        """Apply all changes and charges or none."""
        with self._lock:
            pending, counters = dict(self._rows), Counter(self._counters)
            for change in changes:
                place = (change.row.table, change.row.key)
                known = pending.get(place)
                if (known.seal if known else None) != change.replaces or change.unless in pending:
                    return False
                pending[place] = change.row
            for charge in charges:
                if charge.once is not None:
                    counters[charge.once] += 1
                    if counters[charge.once] > 1:
                        counters[charge.once] = 1
                        continue
                counters[charge.counter] += charge.amount
                if charge.limit is not None and counters[charge.counter] > charge.limit:
                    return False
            self._rows, self._counters = pending, counters
        return True

    def scan(self, table: Table, *, state: str | None = None, trace: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table, of one state or one run if given, in the order of their keys."""
        with self._lock:
            rows = [row for (kind, _), row in sorted(self._rows.items()) if kind is table]
        wanted = None if trace is None else mark_of(trace)
        of_run = (row for row in rows if wanted is None or marked(row.body) == wanted)
        return (row for row in of_run if state is None or row.state == state)

    def balances(self, counters: Sequence[str]) -> dict[str, int]:
        """Read counters."""
        with self._lock:
            return {name: self._counters[name] for name in counters if name in self._counters}

    def increment(self, counter: str) -> int:
        """Add one to a named counter."""
        with self._lock:
            self._counters[counter] += 1
            return self._counters[counter]

    def close(self) -> None:
        """Do nothing; there is nothing to release."""


class MemorySink:
    """An audit sink that keeps events in a list, each id once."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def append_lines(self, events: Sequence[tuple[str, bytes]], /) -> None:
        """Read and keep events in order, each unless its id is known."""
        for event_id, body in events:
            self.append_line(event_id, body)

    def append_line(self, event_id: str, body: bytes, /) -> None:
        """Read and keep one event, unless its id is known."""
        event = parse_event(body)
        with self._lock:
            if event_id not in self._ids:
                self._ids.add(event_id)
                self.events.append(event)

    def commit(self) -> None:
        """Do nothing; memory is as durable as it gets."""
