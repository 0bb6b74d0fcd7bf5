"""The tables of the SQLite ledger, and nothing beside them.

Invariant: a ledger file holds exactly the objects that are made here. Whoever can edit the file could otherwise leave a
trigger in it that takes back later what a process wrote: a started effect, or a stop.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Final

from aisecops_langchain.errors import LedgerError

_ROWS: Final = "key TEXT PRIMARY KEY, state TEXT NOT NULL, body BLOB NOT NULL, seal TEXT NOT NULL"
_REST: Final = 'substr(CAST(body AS TEXT), instr(CAST(body AS TEXT), \'"trace":"\') + 9)'
MARK: Final = f"substr({_REST}, 1, instr({_REST}, '\"') - 1)"
HAS_MARK: Final = 'instr(CAST(body AS TEXT), \'"trace":"\') > 0'
"""What ``marks`` says, in SQL."""
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS effects ({_ROWS});
CREATE TABLE IF NOT EXISTS approvals ({_ROWS});
CREATE TABLE IF NOT EXISTS stops ({_ROWS});
CREATE TABLE IF NOT EXISTS scopes ({_ROWS});
CREATE TABLE IF NOT EXISTS grants ({_ROWS});
CREATE TABLE IF NOT EXISTS checkpoint_heads ({_ROWS});
CREATE TABLE IF NOT EXISTS pseudonyms ({_ROWS});
CREATE INDEX IF NOT EXISTS effects_by_run ON effects ({MARK}) WHERE {HAS_MARK};
CREATE TABLE IF NOT EXISTS memories ({_ROWS});
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
_VERSION: Final = 3
"""2 added stops, 3 grants, checkpoints, pseudonyms and memories; a release without them must not open a ledger."""
_READABLE: Final = frozenset({0, 1, 2, _VERSION})

_STATISTICS: Final = frozenset({("table", "sqlite_stat1"), ("table", "sqlite_stat4")})
"""What SQLite's own ANALYZE leaves; it holds counts, and does nothing."""

_Object = tuple[str, str, str, str | None]
"""Type, name, table and SQL text, as SQLite keeps them."""


def prepare(db: sqlite3.Connection, *, make: bool) -> None:
    """Bring a ledger to the present version.

    Args:
        db: The file, held against others that prepare it.
        make: Whether an empty file becomes a ledger.

    Raises:
        LedgerError: If it is of another version, holds something else, or is empty and none is to be made.
        sqlite3.Error: If it cannot be read or written.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in _READABLE:
        raise LedgerError(
            "the ledger is of another version",
            expected=f"version {_VERSION}",
            got=f"version {version}",
            remedy="use the version of this package that made it, or a home of its own; see the changelog",
        )
    if not version and not make:
        raise _tampered("an empty file")
    require_intact(db, whole=version == _VERSION)
    db.execute("PRAGMA journal_mode=WAL")
    db.executescript(_SCHEMA)
    db.execute(f"PRAGMA user_version={_VERSION}")


def require_intact(db: sqlite3.Connection, *, whole: bool = True) -> None:
    """Refuse a ledger with objects that this package does not make: triggers, views, other tables or constraints.

    Args:
        db: The file.
        whole: Whether all tables must be there.

    Raises:
        LedgerError: If it has one, or lacks a table.
        sqlite3.Error: If it cannot be read.
    """
    found = _objects(db)
    others = {(kind, name) for kind, name, _, _ in found - _expected()} - _STATISTICS
    strange = sorted(f"{kind} {name}" for kind, name in others)
    if strange:
        raise _tampered(strange[0])
    missing = sorted(name for kind, name, _, _ in _expected() - found if kind == "table")
    if whole and missing:
        raise _tampered(f"no table {missing[0]}")


def _objects(db: sqlite3.Connection) -> frozenset[_Object]:
    return frozenset(db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall())


@cache
def _expected() -> frozenset[_Object]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(_SCHEMA)
        return _objects(db)
    finally:
        db.close()


def _tampered(got: str) -> LedgerError:
    return LedgerError(
        "the ledger file holds not what this package puts there",
        expected="its own tables, and nothing else",
        got=got[:80],
        remedy="treat the ledger as tampered with; do not delete it, compare it with the audit log",
    )
