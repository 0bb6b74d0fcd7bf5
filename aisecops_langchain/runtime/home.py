"""A governance home without a policy or an agent: what operators' commands need of it.

Invariant: only a home that is one already is opened; no key and no ledger is made here, because what is said in a new
home would be heard by nobody. Looking writes nothing: the log gets a segment only when there is something to record.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
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
        Its parts; what is recorded lies in a segment of its own in the home's log, which begins with the first record.

    Raises:
        ConfigurationError: If there is no governed home, or it goes by another ledger.
        KeyStoreError: If a key cannot be read or is open to others.
        LedgerError: If the ledger cannot be opened.
        AuditWriteError: If the log cannot be written; raised by what is to be recorded.
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
    sealer, audit_key = Sealer(load_key(seal_key)), load_key(root / "keys" / "audit.key")
    log = _LateLog(lambda: AuditLog.open(root / "audit", key=audit_key, clock=checked.now))
    with closing(log), existing_ledger(ledger, root, schema=schema) as opened:
        yield OpenHome(opened, Recorder(log, checked, sealer), sealer, checked)


class _LateLog:
    """A log that begins its segment with its first event."""

    def __init__(self, begin: Callable[[], AuditLog]) -> None:
        self._begin = begin
        self._log: AuditLog | None = None
        self._lock = threading.Lock()

    def append_lines(self, events: Sequence[tuple[str, bytes]], /) -> None:
        with self._lock:
            if self._log is None:
                self._log = self._begin()
        self._log.append_lines(events)

    def commit(self) -> None:
        if self._log is not None:
            self._log.commit()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
