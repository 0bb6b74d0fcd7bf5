"""The effect ledger on one machine: SQLite in WAL mode, outside any checkpointer.

Invariant: a change is applied whole or not at all, and a row is replaced only in the version that was read, whatever
number of threads and processes try. What is asked to be durable survives a loss of power; the rest survives the death
of the process. Nothing is written into a file that holds more than our own tables.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.marks import mark_of
from aisecops_langchain.runtime.ledger.sqlite_schema import HAS_MARK, MARK, prepare, require_intact
from aisecops_langchain.runtime.ports import Change, Charge, Row, Table

_SELECT: Final = {table: f"SELECT state, body, seal FROM {table.value} WHERE key=?" for table in Table}  # noqa: S608
_INSERT: Final = {
    table: f"INSERT INTO {table.value} VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608
    for table in Table
}
_INSERT_UNLESS: Final = {
    (table, other): f"INSERT INTO {table.value} SELECT ?, ?, ?, ? "  # noqa: S608
    f"WHERE NOT EXISTS (SELECT 1 FROM {other.value} WHERE key=?) ON CONFLICT DO NOTHING"
    for table in Table
    for other in Table
}
_UPDATE: Final = {
    table: f"UPDATE {table.value} SET state=?, body=?, seal=? WHERE key=? AND seal=?"  # noqa: S608
    for table in Table
}
_BUSY_SECONDS: Final = 10.0


class SqliteLedger:
    """A ledger in one SQLite file.

    Args:
        path: The file; its directory also holds ``owners/``, one locked file per living process.
        durable: Whether durable changes are really synced; ``False`` only where losing power may lose effects.
        make: Whether an empty file becomes a ledger.

    Raises:
        LedgerError: If the file cannot be opened, is of another version, or holds what this package does not put there.
    """

    def __init__(self, path: Path, *, durable: bool = True, make: bool = True) -> None:
        self._path = path
        self._durable = durable
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._waits: bool | None = None
        self._schema = -1
        self.owner = uuid.uuid4().hex
        self._owners = path.parent / "owners"
        self._closed = False
        with ExitStack() as undo:
            try:
                self._own(undo)
                self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
                undo.callback(self._db.close)
                with _exclusive(self._owners / ".prepare"):  # switching to WAL does not wait for others by itself
                    prepare(self._db, make=make)
                self._require_own_schema()
            except (OSError, sqlite3.Error) as error:
                raise _unavailable(error) from error
            self._release = undo.pop_all()

    def _own(self, undo: ExitStack) -> None:
        """Lock a file of our own, by which others tell that this process lives."""
        self._owners.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._owners / self.owner
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        undo.callback(os.close, descriptor)
        undo.callback(path.unlink, missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def is_alive(self, owner: str) -> bool:
        """Whether the process that has this owner id still holds the lock on its file."""
        if not owner.isalnum():
            return False
        try:
            descriptor = os.open(self._owners / owner, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unavailable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError as error:
            raise _unavailable(error) from error
        finally:
            os.close(descriptor)
        return False

    def get(self, table: Table, key: str) -> Row | None:
        """Read one row."""
        with self._lock, _faults_told():
            found = self._usable().execute(_SELECT[table], (key,)).fetchone()
        return None if found is None else Row(table, key, *found)

    def apply(self, changes: Sequence[Change], *, durable: bool, charges: Sequence[Charge] = ()) -> bool:
        """Apply all changes and charges in one transaction, or none."""
        with self._lock, _faults_told():
            db = self._usable()
            self._require_own_schema()
            self._wait_for_disk(wait=durable and self._durable)
            if len(changes) == 1 and not charges:  # one statement is a transaction of its own
                return _apply_one(db, changes[0])
            db.execute("BEGIN IMMEDIATE")
            try:
                applied = all(_apply_one(db, change) for change in changes) and all(_charge(db, one) for one in charges)
                db.execute("COMMIT" if applied else "ROLLBACK")
            finally:
                _roll_back(db)
        return applied

    def scan(self, table: Table, *, state: str | None = None, trace: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table, of one state or one run if given."""
        wanted: dict[str, str] = {}
        if state is not None:
            wanted["state=?"] = state
        if trace is not None:
            wanted[f"{HAS_MARK} AND {MARK}=?"] = mark_of(trace).decode()
        where, values = " AND ".join(["TRUE", *wanted]), tuple(wanted.values())
        with self._lock, _faults_told():
            query = f"SELECT key, state, body, seal FROM {table.value} WHERE {where} ORDER BY key"  # noqa: S608
            rows = self._usable().execute(query, values).fetchall()
        for row in rows:
            yield Row(table, *row)

    def balances(self, counters: Sequence[str]) -> dict[str, int]:
        """Read counters."""
        places = ",".join("?" * len(counters))
        with self._lock, _faults_told():
            query = f"SELECT name, value FROM counters WHERE name IN ({places})"  # noqa: S608
            return dict(self._usable().execute(query, tuple(counters)).fetchall())

    def increment(self, counter: str) -> int:
        """Add one to a named counter."""
        query = "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        with self._lock, _faults_told():
            db = self._usable()
            self._require_own_schema()
            return int(db.execute(query, (counter,)).fetchall()[0][0])

    def close(self) -> None:
        """Release the file and this process's owner lock; a second call does nothing."""
        with self._lock:
            self._closed = True
            self._release.close()

    def _usable(self) -> sqlite3.Connection:
        if os.getpid() != self._pid:
            raise LedgerError(
                "the ledger was opened in another process",
                expected="one ledger per process",
                got="a handle inherited through fork",
                remedy="open the governor after forking",
            )
        if self._closed:
            raise LedgerError("the ledger is closed", expected="an open ledger", remedy="open a new governor")
        return self._db

    def _require_own_schema(self) -> None:
        """Look at the schema again where somebody changed it: a trigger would take back what is about to be written."""
        now = int(self._db.execute("PRAGMA schema_version").fetchone()[0])
        if now != self._schema:
            require_intact(self._db)
            self._schema = now

    def _wait_for_disk(self, *, wait: bool) -> None:
        """Choose how the next commit waits: in WAL mode NORMAL survives the process, FULL also a loss of power."""
        if wait is not self._waits:
            self._db.execute(f"PRAGMA synchronous={'FULL' if wait else 'NORMAL'}")
            self._waits = wait


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _apply_one(db: sqlite3.Connection, change: Change) -> bool:
    row = change.row
    if change.replaces is not None:
        values = (row.state, row.body, row.seal, row.key, change.replaces)
        return db.execute(_UPDATE[row.table], values).rowcount == 1
    if change.unless is None:
        return db.execute(_INSERT[row.table], (row.key, row.state, row.body, row.seal)).rowcount == 1
    other, key = change.unless
    return db.execute(_INSERT_UNLESS[row.table, other], (row.key, row.state, row.body, row.seal, key)).rowcount == 1


def _charge(db: sqlite3.Connection, charge: Charge) -> bool:
    if charge.once is not None:
        mark = db.execute("INSERT INTO counters VALUES (?, 1) ON CONFLICT DO NOTHING", (charge.once,))
        if mark.rowcount == 0:
            return True
    if charge.limit is not None and charge.amount > charge.limit:
        return False
    statement = "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value + ?2"
    values: tuple[object, ...] = (charge.counter, charge.amount)
    if charge.limit is not None:
        statement, values = f"{statement} WHERE value + ?2 <= ?3", (*values, charge.limit)
    return db.execute(statement, values).rowcount == 1


def _roll_back(db: sqlite3.Connection) -> None:
    """End a transaction that was left in the middle."""
    if db.in_transaction:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")


class _faults_told:  # noqa: N801 - reads as the statement that it makes; a generator would cost more than a read
    """Turn the database's errors into ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, sqlite3.Error):
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> LedgerError:
    return LedgerError(
        "the effect ledger is unavailable",
        expected="a SQLite file that this process may read and write",
        got=type(error).__name__,
        remedy="check the path, its permissions and the free space; nothing runs until it works",
    )
