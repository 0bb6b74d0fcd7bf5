"""The tables of a PostgreSQL ledger, and how they come to be.

Invariant: each step is applied once, in order, in one transaction with the note that says so, whatever number of
processes open the ledger at once; tables of a later release are not touched.
"""

from __future__ import annotations

from typing import Final, LiteralString

from psycopg import sql

from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.postgres_session import Session, lock_number, told

_ROWS: Final = 'key TEXT COLLATE "C" PRIMARY KEY, state TEXT NOT NULL, body BYTEA NOT NULL, seal TEXT NOT NULL'
MARK: Final = """substring(encode(body, 'escape') from '"trace":"([^"]*)"')"""
"""What ``marks`` says, in SQL; a body is bytes, which no cast to JSON may refuse."""
_STEPS: Final[tuple[tuple[LiteralString, ...], ...]] = (
    (
        f"CREATE TABLE {{schema}}.effects ({_ROWS})",
        f"CREATE TABLE {{schema}}.approvals ({_ROWS})",
        f"CREATE TABLE {{schema}}.stops ({_ROWS})",
        'CREATE TABLE {schema}.counters (name TEXT COLLATE "C" PRIMARY KEY, value BIGINT NOT NULL)',
        "CREATE INDEX effects_by_state ON {schema}.effects (state)",
    ),
    (f"CREATE TABLE {{schema}}.scopes ({_ROWS})",),
    (
        f"CREATE TABLE {{schema}}.grants ({_ROWS})",
        f"CREATE TABLE {{schema}}.checkpoint_heads ({_ROWS})",
        f"CREATE TABLE {{schema}}.pseudonyms ({_ROWS})",
        f"CREATE TABLE {{schema}}.memories ({_ROWS})",
    ),
    (f"CREATE INDEX effects_by_run ON {{schema}}.effects (({MARK}))",),
)
VERSION: Final = len(_STEPS)
"""The version that this release writes: the number of steps."""


def migrate(session: Session, schema: str, *, make: bool = True) -> None:
    """Bring a schema to the version of this release, making it where it is missing.

    Args:
        session: A session that may.
        schema: Its name.
        make: Whether it may be made.

    Raises:
        LedgerError: If it cannot be done, or a later release was here.
    """
    if not make and not told(lambda: _is_there(session, schema)):
        raise LedgerError(
            "there is no ledger in that database", expected="the database and schema of the home", got="no tables"
        )
    told(lambda: _migrate(session, schema))


def _migrate(session: Session, schema: str) -> None:
    with session.transaction():
        session.execute("SELECT pg_advisory_xact_lock(%s::bigint)", (lock_number("migrate", schema),))
        version = _version(session, schema)
        if version > VERSION:
            raise LedgerError(
                "the ledger is of another version",
                expected=f"version {VERSION} or older",
                got=f"version {version}",
                remedy="use the version of this package that made it, or another schema; see the changelog",
            )
        for number, step in enumerate(_STEPS[version:], start=version + 1):
            for statement in step:
                session.execute(in_schema(schema, statement))
            session.execute(in_schema(schema, "INSERT INTO {schema}.migrations VALUES (%s, now())"), (number,))


def _version(session: Session, schema: str) -> int:
    """Read the version; the schema is made only where it is missing, so that a role without that right may go on."""
    if session.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
        session.execute(in_schema(schema, "CREATE SCHEMA {schema}"))
    if not _is_there(session, schema):
        made = "CREATE TABLE {schema}.migrations (version INTEGER PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)"
        session.execute(in_schema(schema, made))
    found = session.execute(in_schema(schema, "SELECT coalesce(max(version), 0) FROM {schema}.migrations")).fetchone()
    return int(str(found[0])) if found else 0


def _is_there(session: Session, schema: str) -> bool:
    known = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'migrations'"
    return session.execute(known, (schema,)).fetchone() is not None


def in_schema(schema: str, statement: LiteralString) -> sql.Composed:
    """Put a schema's name into a statement, quoted.

    Args:
        schema: The name.
        statement: The statement, with ``{schema}`` where it belongs.

    Returns:
        The statement.
    """
    return sql.SQL(statement).format(schema=sql.Identifier(schema))
