"""The SQLite file of a roster.

Invariant: rows, facets, links and coverage change in one transaction, so that whatever moment a process dies at, the
file says of each segment exactly how much of it is in the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.errors import IndexFaultError

VERSION: Final = 1
_BUSY_SECONDS: Final = 10
_SCHEMA: Final = """
    CREATE TABLE covered (segment TEXT PRIMARY KEY, size INTEGER NOT NULL, place INTEGER NOT NULL,
      length INTEGER NOT NULL, digest TEXT NOT NULL, unreadable INTEGER NOT NULL, modified INTEGER NOT NULL) STRICT;
    CREATE TABLE runs (n INTEGER PRIMARY KEY, trace TEXT NOT NULL UNIQUE, begun INTEGER NOT NULL,
      events INTEGER NOT NULL, shown TEXT NOT NULL, figures TEXT NOT NULL, gathered BLOB NOT NULL) STRICT;
    CREATE TABLE facets (facet TEXT, value TEXT, n INTEGER, PRIMARY KEY (facet, value, n)) STRICT, WITHOUT ROWID;
    CREATE TABLE links (warrant TEXT, n INTEGER, role TEXT, line BLOB NOT NULL, PRIMARY KEY (warrant, n, role))
      STRICT, WITHOUT ROWID;
    CREATE INDEX runs_by_time ON runs (begun DESC, trace DESC);
    CREATE INDEX facets_by_run ON facets (n, facet);
    CREATE INDEX links_by_run ON links (n);
"""


class Covered(NamedTuple):
    """How far a segment is in the rows."""

    size: int
    """Bytes up to and with the last whole line."""
    place: int
    """Offset of that line; its length and its SHA-256 follow."""
    length: int
    digest: str
    unreadable: int
    """Lines so far that are no events."""
    modified: int = 0
    """When the file was changed last while all of it was covered, in nanoseconds; 0 where that was not seen."""


class Entry(NamedTuple):
    """A run as it is kept."""

    trace: str
    begun: int
    events: int
    shown: str
    """Its row as JSON."""
    figures: str
    gathered: bytes
    facets: frozenset[tuple[str, str]]


class Link(NamedTuple):
    """A line that tells of delegation."""

    warrant: str
    trace: str
    role: str
    """``issued`` or ``acted``."""
    line: bytes


class RosterFile:
    """One roster file; every call opens it anew, so that any thread may call.

    Args:
        path: The file; made if missing.

    Raises:
        IndexFaultError: If it cannot be used, or is of another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self.reading() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                db.execute("PRAGMA journal_mode = WAL")
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            elif version != VERSION:
                raise IndexFaultError("the roster is of another version", expected=str(VERSION), got=str(version))

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one question or one change.

        Yields:
            The connection.

        Raises:
            IndexFaultError: If the file cannot be used.
        """
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)) as db:
                db.execute("PRAGMA synchronous = NORMAL")
                yield db
        except sqlite3.Error as error:
            raise IndexFaultError(
                "the roster cannot be used", expected="an SQLite file", got=type(error).__name__
            ) from error

    def covered(self) -> dict[str, Covered]:
        """Say how far each segment is in the rows."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT segment, size, place, length, digest, unreadable, modified FROM covered"
            ).fetchall()
        return {row[0]: Covered(*row[1:]) for row in rows}

    def gathered(self, traces: Sequence[str]) -> dict[str, bytes]:
        """Take up what was put aside of some runs.

        Args:
            traces: The runs.

        Returns:
            What was gathered, by run; a new run is not there.
        """
        found: dict[str, bytes] = {}
        with self.reading() as db:
            for trace in traces:
                row = db.execute("SELECT gathered FROM runs WHERE trace = ?", (trace,)).fetchone()
                if row is not None:
                    found[trace] = row[0]
        return found

    def extend(self, entries: Iterable[Entry], links: Iterable[Link], covered: dict[str, Covered]) -> None:
        """Keep what became of some runs, and how far the log is in the rows now, in one transaction.

        Args:
            entries: The runs.
            links: Lines that tell of delegation in them.
            covered: Segments that are covered further.
        """
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            for entry in entries:
                _keep(db, entry)
            db.executemany(
                "INSERT OR IGNORE INTO links SELECT ?, n, ?, ? FROM runs WHERE trace = ?",
                [(link.warrant, link.role, link.line, link.trace) for link in links],
            )
            db.executemany("REPLACE INTO covered VALUES (?, ?, ?, ?, ?, ?, ?)", [(k, *v) for k, v in covered.items()])
            db.execute("COMMIT")


def _keep(db: sqlite3.Connection, entry: Entry) -> None:
    (number,) = db.execute(
        "INSERT INTO runs (trace, begun, events, shown, figures, gathered) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (trace) DO UPDATE SET begun = excluded.begun, events = excluded.events, shown = excluded.shown, "
        "figures = excluded.figures, gathered = excluded.gathered RETURNING n",
        entry[:6],
    ).fetchone()
    before = set(db.execute("SELECT facet, value FROM facets WHERE n = ?", (number,)))
    gone = [(*facet, number) for facet in before - entry.facets]
    db.executemany("DELETE FROM facets WHERE facet = ? AND value = ? AND n = ?", gone)
    db.executemany("INSERT INTO facets VALUES (?, ?, ?)", [(*f, number) for f in entry.facets - before])
