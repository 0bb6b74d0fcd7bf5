"""Which ledger a governance home goes by: a SQLite file in it, or a PostgreSQL schema that several hosts share.

Invariant: a home keeps to one kind of ledger. Where permits were used up, effects begun and stops ordered in one, the
other knows nothing of it, so it is not silently opened in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aisecops_langchain.errors import ConfigurationError, LedgerError
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Ledger

if TYPE_CHECKING:
    from aisecops_langchain.runtime.ledger.postgres import PostgresLedger

SQLITE: Final = "ledger.sqlite3"
_ELSEWHERE: Final = "ledger.elsewhere"
_SCHEMES: Final = ("postgresql://", "postgres://")


def open_ledger(choice: Ledger | str | None, home: Path, *, durable: bool) -> Ledger:
    """Open the ledger of a home.

    Args:
        choice: A ledger, the URL of a PostgreSQL database, or ``None`` for a file in the home.
        home: The governance home; made if missing.
        durable: Whether durable changes are really synced; for a ledger that is opened here.

    Returns:
        The ledger.

    Raises:
        ConfigurationError: If the home goes by the other kind, the URL is of another scheme or an extra is missing.
        LedgerError: If it cannot be opened.
    """
    shared = home / _ELSEWHERE
    if choice is None:
        if shared.exists():
            raise _mixed("the shared ledger that it was opened with before", "no ledger")
        return SqliteLedger(home / SQLITE, durable=durable)
    if (home / SQLITE).exists():
        raise _mixed("its own file", "another ledger")
    if not isinstance(choice, str):
        _mark(home)
        return choice
    opened = _postgres(choice, durable=durable)
    try:
        _mark(home)
    except LedgerError:
        opened.close()
        raise
    return opened


def _mark(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        (home / _ELSEWHERE).touch(mode=0o600)
    except OSError as error:
        raise LedgerError("the home cannot be written", expected="a directory", got=type(error).__name__) from None


@contextmanager
def existing_ledger(choice: str | None, home: Path, *, schema: str = "aisecops") -> Iterator[Ledger]:
    """Open the ledger that a home was governed with, and close it again; nothing is made.

    Args:
        choice: The URL of a PostgreSQL database, or ``None`` for the file in the home.
        home: The governance home.
        schema: Where the tables of a PostgreSQL ledger lie.

    Yields:
        The ledger.

    Raises:
        ConfigurationError: If the home does not go by that ledger.
        LedgerError: If it cannot be opened.
    """
    own, shared = (home / SQLITE).is_file(), (home / _ELSEWHERE).is_file()
    if choice is not None and own:
        raise _mixed("its own file", "another ledger")
    if choice is None and shared and not own:
        raise _mixed("the shared ledger that it was opened with before", "no ledger")
    if choice is None:
        opened: SqliteLedger | PostgresLedger = SqliteLedger(home / SQLITE, make=False)
    else:
        opened = _postgres(choice, durable=True, schema=schema, make=False)
    with closing(opened) as ledger:
        yield ledger


def is_governed(home: Path) -> bool:
    """Whether a directory has a ledger of its own, or a mark that its ledger is elsewhere."""
    return (home / SQLITE).is_file() or (home / _ELSEWHERE).is_file()


def _postgres(url: str, *, durable: bool, schema: str = "aisecops", make: bool = True) -> PostgresLedger:
    if not url.startswith(_SCHEMES):
        raise ConfigurationError("no such ledger", expected="postgresql://user@host/database", got="another scheme")
    try:
        from aisecops_langchain.runtime.ledger.postgres import PostgresLedger  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "a PostgreSQL ledger cannot be opened",
            expected="the packages psycopg and psycopg_pool, and libpq",
            got="not installed",
            remedy="pip install 'aisecops-langchain[postgres]'",
        ) from error
    return PostgresLedger(url, schema=schema, durable=durable, make=make)


def _mixed(expected: str, got: str) -> ConfigurationError:
    return ConfigurationError(
        "this governance home goes by another ledger",
        expected=expected,
        got=got,
        remedy="pass that ledger, or use a new home; what was used up in one ledger is unknown to the other",
    )
