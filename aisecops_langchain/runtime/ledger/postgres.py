"""The effect ledger of several machines: a schema in a PostgreSQL database.

Invariant: a change is applied whole or not at all, and a row is replaced only in the version that was read, whatever
number of threads, processes and hosts try. Whoever writes holds, until the commit, a lock on every name that the write
depends on, taken in one order; so writes that touch each other happen one after the other, and nobody waits in a ring.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final, LiteralString, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool

from aisecops_langchain.errors import ConfigurationError, LedgerError
from aisecops_langchain.runtime.ledger.marks import mark_of
from aisecops_langchain.runtime.ledger.postgres_owner import IS_FREE, Presence, is_owner, owner_lost
from aisecops_langchain.runtime.ledger.postgres_schema import MARK, in_schema, migrate
from aisecops_langchain.runtime.ledger.postgres_session import (
    Session,
    connection_string,
    first,
    lock_number,
    told,
    unavailable,
)
from aisecops_langchain.runtime.ports import Change, Charge, Row, Table

T = TypeVar("T")

_ATTEMPTS: Final = 3
_IDENTIFIER: Final = re.compile("[a-z_][a-z0-9_]{0,62}")
_AGAIN: Final = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)


class PostgresLedger:
    """A ledger in one schema of a PostgreSQL database, shared by any number of hosts.

    Args:
        url: What libpq takes, ``postgresql://user@host/database``; better without a password, which libpq also reads
            from a password file, a service file or ``PGPASSWORD``. A direct connection, not one through a pooler.
        schema: Where its tables lie; made on first use.
        durable: Whether durable changes wait for the server's disk (and its synchronous standbys); ``False`` only
            where losing power may lose effects.
        timeout_seconds: How long a connection, a lock or a statement is waited for.
        max_connections: How many connections are held at most, beside the one of the owner's lock.
        make: Whether the tables are made where there are none; ``False`` to join a ledger that must be there.

    Raises:
        ConfigurationError: If an argument is malformed.
        LedgerError: If the database cannot be used, or a later release made the schema.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = "aisecops",
        durable: bool = True,
        timeout_seconds: int = 10,
        max_connections: int = 8,
        make: bool = True,
    ) -> None:
        if _IDENTIFIER.fullmatch(schema) is None or timeout_seconds < 1 or max_connections < 1:
            raise ConfigurationError(
                "the ledger cannot be configured so",
                expected="a schema of a-z, 0-9 and _, at most 63; at least 1 second and 1 connection",
            )
        self._schema = schema
        self._durable = durable
        self._pid = os.getpid()
        conninfo = connection_string(url, timeout_seconds)
        with ExitStack() as undo:
            self._presence = Presence(conninfo, schema)
            undo.callback(self._presence.close)
            _require_disk(self._presence.session, durable=durable)
            migrate(self._presence.session, schema, make=make)
            self._pool: ConnectionPool[Session] = ConnectionPool(
                conninfo,
                kwargs={"autocommit": True},
                min_size=1,
                max_size=max_connections,
                timeout=timeout_seconds,
                reconnect_timeout=timeout_seconds,
                num_workers=1,
                open=False,
            )
            undo.callback(self._pool.close)
            told(lambda: self._pool.open(wait=True, timeout=timeout_seconds))
            self._release = undo.pop_all()

    @property
    def owner(self) -> str:
        """Identity of this process's use of the ledger; another one after its session was lost."""
        return self._presence.owner

    def is_alive(self, owner: str) -> bool:
        """Whether the process that has this owner id still holds its lock."""
        if not is_owner(owner):
            return False
        number = self._presence.number_of(owner)
        return self._ask(lambda session: session.execute(IS_FREE, (number,)).fetchone()) != (True,)

    def get(self, table: Table, key: str) -> Row | None:
        """Read one row."""
        query = self._statement("SELECT state, body, seal FROM {schema}.{table} WHERE key=%s", table)
        found = self._ask(lambda session: session.execute(query, (key,)).fetchone())
        return None if found is None else _row(table, (key, *found))

    def scan(self, table: Table, *, state: str | None = None, trace: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table, of one state or one run if given."""
        text: LiteralString = "SELECT key, state, body, seal FROM {schema}.{table} WHERE TRUE"
        values: list[object] = []
        if state is not None:
            text, values = text + " AND state=%s", [state]
        if trace is not None:
            text, values = f"{text} AND {MARK} = encode(%s::bytea, 'escape')", [*values, mark_of(trace)]
        query = self._statement(text + " ORDER BY key", table)
        for found in self._ask(lambda session: session.execute(query, values).fetchall()):
            yield _row(table, found)

    def balances(self, counters: Sequence[str]) -> dict[str, int]:
        """Read counters."""
        query = in_schema(self._schema, "SELECT name, value FROM {schema}.counters WHERE name = ANY(%s::text[])")
        found = self._ask(lambda session: session.execute(query, (list(counters),)).fetchall())
        return {str(name): cast("int", value) for name, value in found}

    def increment(self, counter: str) -> int:
        """Add one to a named counter."""
        text: LiteralString = (
            "INSERT INTO {schema}.counters AS kept VALUES (%s, 1) "
            "ON CONFLICT (name) DO UPDATE SET value = kept.value + 1 RETURNING value"
        )
        query = in_schema(self._schema, text)
        found = self._write(lambda session: session.execute(query, (counter,)).fetchone(), [("counter", counter)])
        if found is None:
            raise LedgerError("the ledger gave no answer", expected="the new count", got="none")
        return cast("int", found[0])

    def apply(self, changes: Sequence[Change], *, durable: bool, charges: Sequence[Charge] = ()) -> bool:
        """Apply all changes and charges in one transaction, or none."""
        schema = self._schema

        def work(session: Session) -> bool | None:
            fits = all(_apply_one(session, schema, change) for change in changes)
            return (fits and all(_charge(session, schema, charge) for charge in charges)) or None

        return self._write(work, _names(changes, charges), durable=durable) is not None

    def close(self) -> None:
        """Release connections and owner lock; a second call, or one in a forked child, does nothing."""
        if os.getpid() == self._pid:
            self._release.close()

    def _statement(self, text: LiteralString, table: Table) -> sql.Composed:
        return sql.SQL(text).format(schema=sql.Identifier(self._schema), table=sql.Identifier(table.value))

    def _usable(self) -> ConnectionPool[Session]:
        if os.getpid() != self._pid:
            raise LedgerError(
                "the ledger was opened in another process",
                expected="one ledger per process",
                got="a handle inherited through fork",
                remedy="open the governor after forking",
            )
        if self._pool.closed:
            raise LedgerError("the ledger is closed", expected="an open ledger", remedy="open a new governor")
        return self._pool

    def _ask(self, work: Callable[[Session], T]) -> T:
        """Use a connection; where one was lost, or the server gave way, before anything was committed, use another."""
        pool = self._usable()
        failure = LedgerError("the effect ledger is unavailable", expected="a connection", got="none")
        for _ in range(_ATTEMPTS):
            session: Session | None = None
            try:
                with pool.connection() as session:
                    return work(session)
            except (psycopg.Error, UnicodeError) as error:
                failure = unavailable(error)
                if not (isinstance(error, _AGAIN) or (session is not None and session.closed)):
                    break
            told(pool.check)
        raise failure  # outside the handler, so that the driver's words are not even its context

    def _write(
        self, work: Callable[[Session], T | None], names: Sequence[tuple[str, ...]], *, durable: bool = False
    ) -> T | None:
        """Do some work in a transaction of a process that lives; ``None`` means that it is to be undone."""
        owner = self._presence.owner
        locks = sorted({lock_number(self._schema, *name) for name in names})
        opening = _opening(locks, self._presence.number_of(owner), wait=durable and self._durable)

        def transaction(session: Session) -> tuple[bool, T | None]:
            lives = session.execute(opening, prepare=False).set_result(-1).fetchone() == (False,)
            done = work(session) if lives else None
            if done is None:
                session.rollback()
            else:
                _commit(session)
            return lives, done

        lives, done = self._ask(transaction)
        if not lives:
            self._presence.renew(owner)
            raise owner_lost()
        return done


def _opening(locks: Sequence[int], owner: int, *, wait: bool) -> sql.Composed:
    """Begin, take the locks one after the other, and ask last whether our own sign of life is still there.

    Read committed is enough: what depends on each other is serialised by the locks, and every statement after them
    sees what was committed before they were given.
    """
    steps: list[sql.Composable] = [sql.SQL("BEGIN ISOLATION LEVEL READ COMMITTED")]
    steps.append(sql.SQL("SET LOCAL synchronous_commit = on" if wait else "SET LOCAL synchronous_commit = off"))
    steps += [sql.SQL("SELECT pg_advisory_xact_lock({}::bigint)").format(_number(lock)) for lock in locks]
    steps.append(sql.SQL("SELECT pg_try_advisory_xact_lock_shared({}::bigint)").format(_number(owner)))
    return sql.SQL("; ").join(steps)


def _number(lock: int) -> sql.Literal:
    return sql.Literal(str(lock))  # quoted, so that a minus sign binds as meant


def _commit(session: Session) -> None:
    """Commit, and take nothing but a plain yes for it.

    A server whose wait for a standby is cut off says COMMIT along with a warning: the change is not safe then.
    """
    warnings: list[object] = []
    session.add_notice_handler(warnings.append)
    try:
        status = told(lambda: session.execute("COMMIT").statusmessage)
    finally:
        session.remove_notice_handler(warnings.append)
    if status != "COMMIT" or warnings:
        raise LedgerError(
            "it is not certain that a change was kept",
            expected="COMMIT, without a warning",
            got=f"{status}, {len(warnings)} warnings",
            remedy="check the server and its standbys",
        )


def _names(changes: Sequence[Change], charges: Sequence[Charge]) -> list[tuple[str, ...]]:
    """Name all that a write depends on."""
    rows = [(change.row.table, change.row.key) for change in changes]
    rows += [change.unless for change in changes if change.unless is not None]
    counters = [name for charge in charges for name in (charge.counter, charge.once) if name is not None]
    return [("row", table.value, key) for table, key in rows] + [("counter", name) for name in counters]


def _apply_one(session: Session, schema: str, change: Change) -> bool:
    row, (other, absent) = change.row, change.unless or (change.row.table, change.row.key)
    values: tuple[object, ...]
    text: LiteralString
    if change.replaces is not None:
        text = "UPDATE {schema}.{table} SET state=%s, body=%s, seal=%s WHERE key=%s AND seal=%s"
        values = (row.state, row.body, row.seal, row.key, change.replaces)
    else:
        text = (
            "INSERT INTO {schema}.{table} SELECT %s, %s, %s, %s "
            "WHERE NOT EXISTS (SELECT 1 FROM {schema}.{other} WHERE key=%s) ON CONFLICT DO NOTHING"
        )
        values = (row.key, row.state, row.body, row.seal, absent)
    tables = {"table": sql.Identifier(row.table.value), "other": sql.Identifier(other.value)}
    return session.execute(sql.SQL(text).format(schema=sql.Identifier(schema), **tables), values).rowcount == 1


def _charge(session: Session, schema: str, charge: Charge) -> bool:
    if charge.once is not None:
        mark = in_schema(schema, "INSERT INTO {schema}.counters VALUES (%s, 1) ON CONFLICT DO NOTHING")
        if session.execute(mark, (charge.once,)).rowcount == 0:
            return True
    if charge.limit is not None and charge.amount > charge.limit:
        return False
    text: LiteralString = (
        "INSERT INTO {schema}.counters AS kept VALUES (%s, %s::bigint) ON CONFLICT (name) DO UPDATE "
        "SET value = kept.value + excluded.value "
        "WHERE %s::numeric IS NULL OR kept.value + excluded.value <= %s::numeric"
    )
    values = (charge.counter, charge.amount, charge.limit, charge.limit)
    return session.execute(in_schema(schema, text), values).rowcount == 1


def _row(table: Table, found: Sequence[object]) -> Row:
    key, state, body, seal = found
    return Row(table, cast("str", key), cast("str", state), bytes(cast("bytes", body)), cast("str", seal))


def _require_disk(session: Session, *, durable: bool) -> None:
    if durable and first(session, "SELECT current_setting('fsync')") != ("on",):
        raise LedgerError(
            "the server does not wait for its disk",
            expected="fsync = on",
            got="fsync = off",
            remedy="switch it on, or open with durability 'none' where losing power may lose effects",
        )
