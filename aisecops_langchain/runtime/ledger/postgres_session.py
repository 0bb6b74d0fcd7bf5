"""Sessions with a PostgreSQL server: how they are opened, what they may wait for, and how their faults are told.

Invariant: no address and no password gets into an error: what the driver says is never quoted and never chained. Every
wait ends; a session that is not with the one server that may be written to is not used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, LiteralString, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aisecops_langchain.errors import ConfigurationError, LedgerError

T = TypeVar("T")
Session = psycopg.Connection[tuple[object, ...]]

_OLDEST: Final = 140000


def connection_string(url: str, timeout_seconds: int) -> str:
    """Add the bounds that a ledger needs to the user's connection string.

    Args:
        url: What libpq takes: a ``postgresql://`` URL, or ``key=value`` pairs.
        timeout_seconds: How long anything may be waited for.

    Returns:
        The connection string; what the user set in it wins, but for the session's own settings.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    milliseconds = timeout_seconds * 1000
    bounds = {
        "connect_timeout": str(timeout_seconds),
        "tcp_user_timeout": str(milliseconds),
        "keepalives_idle": str(timeout_seconds),
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "application_name": "aisecops-ledger",
        "target_session_attrs": "read-write",
    }
    settings = (
        f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} -c search_path=pg_catalog "
        f"-c idle_in_transaction_session_timeout={milliseconds} -c idle_session_timeout=0 "
        r"-c default_transaction_isolation=read\ committed -c synchronous_commit=off "
        f"-c tcp_keepalives_idle={timeout_seconds} -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
    )
    try:
        known = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
        options = f"{known.pop('options', '')} {settings}".strip()
        return make_conninfo("", **{**bounds, **known, "client_encoding": "utf8", "options": options})
    except (psycopg.Error, UnicodeError, ValueError):
        pass
    raise ConfigurationError(
        "the ledger's connection string cannot be read",
        expected="postgresql://user@host:port/database",
        remedy="percent-encode reserved characters; keep the password in a password file or PGPASSWORD",
    )


def connect(conninfo: str) -> Session:
    """Open a session, and make sure that it is one with the server itself.

    Args:
        conninfo: From ``connection_string``.

    Returns:
        The session, in autocommit.

    Raises:
        LedgerError: If there is none to be had, or a pooler or another version answers.
    """
    session: Session = told(lambda: psycopg.connect(conninfo, autocommit=True))
    try:
        _require_fit(session)
    except BaseException:
        session.close()
        raise
    return session


def _require_fit(session: Session) -> None:
    query: LiteralString = "SELECT pg_backend_pid(), current_setting('server_encoding')"
    pid, encoding = first(session, query)
    version = session.info.server_version
    if version < _OLDEST:
        raise LedgerError("the server is too old for a ledger", expected="PostgreSQL 14 or newer", got=str(version))
    if encoding != "UTF8":
        raise LedgerError("the database has another encoding", expected="UTF8", got=str(encoding))
    if pid != session.info.backend_pid:
        raise LedgerError(
            "a connection pooler stands before the server",
            expected="a session of our own: its lock says that this process lives",
            got="a session that others may share",
            remedy="connect to the server directly",
        )


def first(session: Session, query: LiteralString, values: tuple[object, ...] = ()) -> tuple[object, ...]:
    """Return the only row of an answer that always has one.

    Args:
        session: Whom to ask.
        query: The question.
        values: Its parameters.

    Returns:
        The row.

    Raises:
        LedgerError: If it cannot be answered.
    """
    row = told(lambda: session.execute(query, values or None).fetchone())
    if row is None:
        raise LedgerError("the ledger gave no answer", expected="one row", got="none")
    return row


def told(work: Callable[[], T]) -> T:
    """Do some work with a session, and tell the driver's faults in our words.

    Args:
        work: What to do.

    Returns:
        What it returned.

    Raises:
        LedgerError: If the driver raised; without its words, since those may quote a connection string.
    """
    try:
        return work()
    except (psycopg.Error, UnicodeError) as error:
        failure = unavailable(error)
    raise failure  # outside the handler, so that the driver's error is not even the context


def unavailable(error: Exception) -> LedgerError:
    """Tell a fault without quoting it.

    Args:
        error: What the driver raised.

    Returns:
        The error to raise.
    """
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return LedgerError(
        "the effect ledger is unavailable",
        expected="a PostgreSQL database that this process may read and write",
        got=type(error).__name__ + (f" ({state})" if state else ""),
        remedy="check the server, the network, the account and its rights; nothing runs until it works",
    )


def lock_number(*names: str) -> int:
    """Name an advisory lock.

    Args:
        names: What it stands for.

    Returns:
        A number of 64 bits; two things that share one by chance wait for each other, and nothing worse.
    """
    text = "\0".join(("aisecops", *names)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)
