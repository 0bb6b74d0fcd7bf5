"""A governance home without a policy or an agent: what operators' commands need of it.

Invariant: only a home that is one already is opened; no key and no ledger is made here, because what is said in a new
home would be heard by nobody.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.keyfile import load_key
from aisecops_langchain.runtime.ledger.choice import existing_ledger, is_governed
from aisecops_langchain.runtime.ports import CheckedClock, Clock, Ledger, SystemClock
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer


@dataclass(frozen=True, slots=True)
class OpenHome:
    """The parts of a home that is open."""

    ledger: Ledger
    recorder: Recorder
    sealer: Sealer
    clock: Clock


@contextmanager
def open_home(
    home: str | os.PathLike[str], *, ledger: str | None = None, schema: str = "aisecops", clock: Clock | None = None
) -> Iterator[OpenHome]:
    """Open the governance home of somebody else's governor.

    Args:
        home: The directory that ``Governor.open`` was given.
        ledger: URL of the PostgreSQL ledger that it goes by, where it goes by one.
        schema: Where the tables of that ledger lie.
        clock: Tells the time; this machine's by default.

    Yields:
        Its parts; what is recorded lies in a segment of its own in the home's log.

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
        yield OpenHome(opened, Recorder(log, checked, sealer), sealer, checked)
