"""The kill switch of a governance home, without a policy or an agent: for operators and the command line.

Invariant: a switch is opened only where a governed home already is; it never makes keys or a ledger, because a stop in
a new home would stop nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.keyfile import load_key
from aisecops_langchain.runtime.ledger_choice import existing_ledger, is_governed
from aisecops_langchain.runtime.ports import CheckedClock, Clock, SystemClock
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.runtime.stops import Stops
from aisecops_langchain.sealing import Sealer


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
    root = Path(home)
    seal_key = root / "keys" / "seal.key"
    if not (is_governed(root) and seal_key.is_file()):
        raise ConfigurationError(
            "this is no governance home",
            expected="a directory with a ledger, or a mark of a shared one, and keys/seal.key",
            got=root.name,
            remedy="pass the directory that the governor was opened with",
        )
    checked = CheckedClock(clock or SystemClock())
    sealer = Sealer(load_key(seal_key))
    with (
        AuditLog.open(root / "audit", key=load_key(root / "keys" / "audit.key"), clock=checked.now) as log,
        existing_ledger(ledger, root, schema=schema) as opened,
    ):
        yield Stops(opened, Recorder(log, checked, sealer), sealer, checked)
