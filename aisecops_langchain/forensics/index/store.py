"""The SQLite file of an index.

Invariant: every row is under a seal that names its table and its key, so that none can be changed, moved or invented
without the index's own key. The one row of ``state`` seals which segments are covered, how far, and in how many parts;
each part seals which runs it holds, so that a row that was taken away is missed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.errors import IndexFaultError
from aisecops_langchain.sealing import Sealer

_VERSION: Final = 1
_SHORT: Final = 16
_SCHEMA: Final = """
    CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), data BLOB NOT NULL, seal TEXT NOT NULL) STRICT;
    CREATE TABLE parts (part INTEGER PRIMARY KEY, runs BLOB NOT NULL, seal TEXT NOT NULL) STRICT;
    CREATE TABLE runs (trace TEXT, part INTEGER, lines BLOB NOT NULL, seal TEXT NOT NULL, PRIMARY KEY (trace, part))
      STRICT, WITHOUT ROWID;
"""


class Sealed(NamedTuple):
    """Bytes and what seals them."""

    data: bytes
    seal: str


class IndexFile:
    """One open index file.

    Args:
        path: The file; made if missing.
        sealer: Holds the index's key.
    """

    def __init__(self, path: Path, sealer: Sealer) -> None:
        self._path = path
        self._sealer = sealer
        self._db = self._opened()

    def close(self) -> None:
        """Give the file back."""
        self._db.close()

    def state(self) -> bytes | None:
        """Read what is covered.

        Returns:
            The sealed bytes; None in a new index.

        Raises:
            IndexFaultError: If they are not as they were sealed.
        """
        row = self._row("SELECT data, seal FROM state WHERE one = 1", ())
        return None if row is None else self._checked(row, "state", b"")

    def parts(self, trace: str, count: int) -> list[bytes]:
        """Read where the lines of a run lie.

        Args:
            trace: The run.
            count: How many parts the index has.

        Returns:
            What the parts say that hold the run, in order; empty if none does.

        Raises:
            IndexFaultError: If anything is missing, or not as it was sealed.
        """
        found: list[bytes] = []
        for part in range(count):
            row = self._row("SELECT runs, seal FROM parts WHERE part = ?", (part,))
            if row is None:
                raise IndexFaultError("a part of the index is gone", got=f"part {part}")
            if not _holds(self._checked(row, f"part/{part}", b""), trace):
                continue
            row = self._row("SELECT lines, seal FROM runs WHERE trace = ? AND part = ?", (_text(trace), part))
            if row is None:
                raise IndexFaultError("a row of the index is gone", got=f"part {part}")
            found.append(self._checked(row, f"run/{part}", _bytes(trace)))
        return found

    def extend(self, part: int, runs: Mapping[str, bytes], state: bytes) -> None:
        """Add a part and say what is covered now, in one transaction.

        Args:
            part: Its number.
            runs: Lines by run.
            state: What is covered.

        Raises:
            IndexFaultError: If the file cannot be written, or has such a part already.
        """
        names = b"".join(sorted(map(_short, runs)))
        rows = (
            (_text(trace), part, lines, self._seal(f"run/{part}", _bytes(trace), lines))
            for trace, lines in runs.items()
        )
        try:
            with self._db:
                self._db.execute(
                    "INSERT INTO parts VALUES (?, ?, ?)", (part, names, self._seal(f"part/{part}", b"", names))
                )
                self._db.executemany("INSERT INTO runs VALUES (?, ?, ?, ?)", rows)
                self._db.execute("REPLACE INTO state VALUES (1, ?, ?)", (state, self._seal("state", b"", state)))
        except sqlite3.Error as error:
            raise _unusable(error) from error

    def _opened(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self._path, timeout=10)
            with closing(db.execute("PRAGMA user_version")) as cursor:
                version = cursor.fetchone()[0]
            if version == 0:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
            elif version != _VERSION:
                db.close()
                raise IndexFaultError("the index is of another version", expected=str(_VERSION), got=str(version))
        except sqlite3.Error as error:
            raise _unusable(error) from error
        return db

    def _row(self, question: str, values: tuple[object, ...]) -> Sealed | None:
        try:
            row = self._db.execute(question, values).fetchone()
        except sqlite3.Error as error:
            raise _unusable(error) from error
        return None if row is None else Sealed(bytes(row[0]), str(row[1]))

    def _seal(self, place: str, name: bytes, data: bytes) -> str:
        return self._sealer.seal_bytes(f"index/{place}", b"%d:" % len(name) + name + data)

    def _checked(self, row: Sealed, place: str, name: bytes) -> bytes:
        if not self._sealer.verifies(f"index/{place}", b"%d:" % len(name) + name + row.data, row.seal):
            raise IndexFaultError("the index was changed", expected="rows under their seals", got=place)
        return row.data


def _holds(names: bytes, trace: str) -> bool:
    """Whether a run is among the short names of a part, which are sorted."""
    wanted = _short(trace)
    low, high = 0, len(names) // _SHORT
    while low < high:
        middle = (low + high) // 2
        if names[middle * _SHORT : (middle + 1) * _SHORT] < wanted:
            low = middle + 1
        else:
            high = middle
    return names[low * _SHORT : (low + 1) * _SHORT] == wanted


def _short(trace: str) -> bytes:
    return sha256(_bytes(trace)).digest()[:_SHORT]


def _bytes(trace: str) -> bytes:
    return trace.encode("utf-8", "surrogatepass")


def _text(trace: str) -> str:
    """A key that SQLite can hold, whatever characters the name has."""
    return sha256(_bytes(trace)).hexdigest()


def _unusable(error: sqlite3.Error) -> IndexFaultError:
    return IndexFaultError("the index cannot be used", expected="an SQLite file", got=type(error).__name__)
