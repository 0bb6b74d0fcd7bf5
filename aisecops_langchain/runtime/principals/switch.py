"""The kill switch of a governance home, without a policy or an agent: for operators and the command line.

Invariant: a switch is opened only where a governed home already is; it never makes keys or a ledger, because a stop in
a new home would stop nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from aisecops_langchain.runtime.home import open_home
from aisecops_langchain.runtime.ports import Clock
from aisecops_langchain.runtime.principals.stops import Stops


@contextmanager
def open_stops(
    home: str | os.PathLike[str],
    *,
    ledger: str | None = None,
    schema: str = "aisecops",
    clock: Clock | None = None,
) -> Iterator[Stops]:
    """Open the kill switch of a governance home.

    Args:
        home: The directory that ``Governor.open`` was given.
        ledger: URL of the PostgreSQL ledger that the home goes by, if it does.
        schema: Where the tables of that ledger lie.
        clock: Tells the time; this machine's by default.

    Yields:
        The switch; what it records lies in a segment of its own in the home's log.

    Raises:
        ConfigurationError: If there is no governed home, or it goes by another ledger.
        KeyStoreError: If a key cannot be read or is open to others.
        LedgerError: If the ledger cannot be opened.
        AuditWriteError: If the log cannot be written.
    """
    with open_home(home, ledger=ledger, schema=schema, clock=clock) as parts:
        yield Stops(parts.ledger, parts.recorder, parts.sealer, parts.clock)
