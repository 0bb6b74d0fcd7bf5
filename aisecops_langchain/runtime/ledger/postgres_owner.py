"""The sign of life of a process in a PostgreSQL ledger: a lock that its own session holds as long as it lives.

Invariant: the server alone says who lives. A process whose session was lost learns it with its next write, which is
refused; from then on it goes by a new name, and what it began under the old one counts as begun by the dead.
"""

from __future__ import annotations

import re
import threading
import uuid
from contextlib import suppress
from typing import Final, LiteralString

import psycopg

from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.postgres_session import Session, connect, first, lock_number

_OWNER: Final = re.compile("[0-9a-f]{32}")
IS_FREE: Final[LiteralString] = "SELECT pg_try_advisory_xact_lock_shared(%s::bigint)"
"""Whether nobody holds the lock; shared, so that two who ask at once do not take each other for the holder."""


class Presence:
    """Holds the lock of this process.

    Args:
        conninfo: Where.
        schema: The ledger's schema.

    Raises:
        LedgerError: If the server cannot be had.
    """

    def __init__(self, conninfo: str, schema: str) -> None:
        self._conninfo = conninfo
        self._schema = schema
        self._lock = threading.Lock()
        self.owner, self.session = self._appear()

    def _appear(self) -> tuple[str, Session]:
        owner, session = uuid.uuid4().hex, connect(self._conninfo)
        try:
            query: LiteralString = "SELECT pg_try_advisory_lock(%s::bigint)"
            taken = first(session, query, (self.number_of(owner),)) == (True,)
        except BaseException:
            session.close()
            raise
        if not taken:
            session.close()
            raise LedgerError("the owner's lock is taken", expected="a free lock", remedy="open the ledger again")
        return owner, session

    def number_of(self, owner: str) -> int:
        """Return the number of an owner's lock."""
        return lock_number("owner", self._schema, owner)

    def renew(self, lost: str) -> None:
        """Go by a new name after the old one's lock was lost; several threads may notice, one renews.

        Args:
            lost: The name whose lock was lost.

        Raises:
            LedgerError: If the server cannot be had.
        """
        with self._lock:
            if lost != self.owner:
                return
            self._drop()
            self.owner, self.session = self._appear()

    def close(self) -> None:
        """Let the lock go."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        with suppress(psycopg.Error):
            self.session.close()


def is_owner(name: str) -> bool:
    """Whether a name could be an owner's."""
    return _OWNER.fullmatch(name) is not None


def owner_lost() -> LedgerError:
    """Say that this process had counted as dead."""
    return LedgerError(
        "this process lost its lock in the ledger, so others take it for dead",
        expected="the session that holds the lock",
        got="a session that ended: the server, or the way to it, was interrupted",
        remedy="nothing was written; what is asked next goes under a new owner",
    )
