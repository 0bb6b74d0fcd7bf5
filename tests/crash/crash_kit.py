"""Starts, kills and questions governed runs in other processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from aisecops_langchain.audit import VerifyReport, read_log, verify_log
from aisecops_langchain.keyfile import load_key
from aisecops_langchain.runtime.ledger.crosscheck import Finding, crosscheck
from aisecops_langchain.runtime.ledger.records import EffectRecord, open_row
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ledger.told import told_in
from aisecops_langchain.runtime.ports import Ledger, Table
from aisecops_langchain.sealing import Sealer

HONEST_CRASH = {"torn_tail", "unsigned_tail", "empty_segment", "close_unsigned"}
"""Warnings that a killed process may leave in the log; anything else is a problem."""


WORKER = Path(__file__).with_name("crash_worker.py")


class Nursery:
    """A server process that forks one child for each job.

    Args:
        worker: The script that serves.
    """

    def __init__(self, worker: Path = WORKER) -> None:
        self._server = subprocess.Popen(
            [sys.executable, str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout.readline() == "ready\n"
        self._count = 0

    def _ask(self, **request) -> int:
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def start(self, home: Path, action: str, **job) -> Child:
        """Begin a job in a process of its own."""
        self._count += 1
        result = home / f"result-{self._count}.json"
        where = {"home": str(home), "world": str(home), "result": str(result)}
        job = {"thread": "thread-1", "scenario": "many", **where, **job}
        return Child(self, self._ask(action=action, **job), result)

    def run(self, home: Path, action: str, **job) -> dict:
        """Do a job to its end and return what it reported."""
        return self.start(home, action, **job).finish()

    def wait(self, pid: int) -> int:
        return self._ask(wait=pid)

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()


class Child:
    """One process that carries a thread on."""

    def __init__(self, nursery: Nursery, pid: int, result: Path) -> None:
        self._nursery = nursery
        self._pid = pid
        self._result = result

    def finish(self) -> dict:
        """Wait for its end; it must have ended well."""
        status = self._nursery.wait(self._pid)
        found = json.loads(self._result.read_text())
        assert status == 0, found
        return found

    def end(self) -> int:
        """Wait for its end, however it ends."""
        return self._nursery.wait(self._pid)

    def is_up(self) -> bool:
        """Whether it said that it has begun its work."""
        return self._result.with_suffix(".up").exists()

    def result(self) -> str:
        """What it wrote at its end; nothing if it did not get there."""
        return self._result.read_text() if self._result.exists() else ""

    def kill(self) -> int:
        """Kill it as a loss of power would, and return how it ended."""
        os.kill(self._pid, signal.SIGKILL)
        return self._nursery.wait(self._pid)


def wait_for(path: Path) -> None:
    """Wait until another process has made a file."""
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.005)


def lines(home: Path) -> list[str]:
    """What tools did, one line for each time."""
    path = home / "ran"
    return path.read_text().splitlines() if path.exists() else []


def events(home: Path, kind: str) -> list[dict]:
    """Events of one kind in the log, each once."""
    return [entry.fields for entry in read_log(home / "audit") if entry.kind == kind]


def effects(home: Path, shared: Ledger | None = None) -> list[EffectRecord]:
    """All effects in the ledger of a home, which is its own unless it shares one."""
    sealer = Sealer(load_key(home / "keys" / "seal.key"))
    with ExitStack() as stack:
        ledger = shared or stack.enter_context(closing(SqliteLedger(home / "ledger.sqlite3")))
        return [open_row(sealer, row, EffectRecord) for row in ledger.scan(Table.EFFECTS)]


def effect(home: Path, name: str) -> EffectRecord:
    """The one effect of a call, named by thread and call id."""
    (found,) = [record for record in effects(home) if named(record) == name]
    return found


def named(record: EffectRecord) -> str:
    """Thread and call id of an effect, as tools write them."""
    return f"{record.permit.binding.scope.thread} {record.permit.binding.call_id}"


def verified(home: Path, *, warnings: set[str] = HONEST_CRASH) -> VerifyReport:
    """The log must verify, with no warnings but those given, and a ledger of its own must hold all that it tells of."""
    report = verify_log(home / "audit")
    assert report.ok, report.problems
    assert {problem.code.value for problem in report.warnings} <= warnings
    if (home / "ledger.sqlite3").exists():
        with closing(SqliteLedger(home / "ledger.sqlite3")) as ledger:
            assert lacking(home, ledger) == ()
    return report


def lacking(home: Path, ledger: Ledger) -> tuple[Finding, ...]:
    """What the ledger lacks of what the log tells of; no kill at any moment takes a row away."""
    sealer = Sealer(load_key(home / "keys" / "seal.key"))
    return crosscheck(told_in(home / "audit"), ledger, sealer, now=datetime.now(UTC)).findings
