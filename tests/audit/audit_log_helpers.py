"""Events, clocks and small attacks shared by the tests of the audit log."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.audit.layout import heads_path, segment_paths
from aisecops_langchain.domain.decision import Decision, Effect, Reason, Stage
from aisecops_langchain.domain.events import DecisionMade, RecordedCall, RunStarted
from aisecops_langchain.domain.labels import UNLABELLED
from aisecops_langchain.domain.principal import Principal

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
START = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = "sha256:" + "ab" * 32
ROOT = Path(__file__).parents[2]


class StepClock:
    """Nanoseconds that go forward by a fixed step at each reading."""

    def __init__(self, step: int = 1_000, start: int = 1_893_456_000_000_000_000) -> None:
        self.now = start
        self.step = step

    def __call__(self) -> int:
        self.now += self.step
        return self.now


def run_started(number: int, *, prefix: str = "event", padding: int = 0) -> RunStarted:
    """A small event, unique by its number."""
    return RunStarted(
        id=f"{prefix}-{number}",
        time=START + timedelta(seconds=number),
        trace="trace-1",
        thread="thread-1",
        principal=Principal(agent="buyer", user="ann", tenant="acme"),
        policy=POLICY,
        tools=("search", "x" * padding),
    )


def decision_made(number: int = 1) -> DecisionMade:
    """An event with nested data, as authority events have it."""
    return DecisionMade(
        id=f"decision-{number}",
        time=START,
        trace="trace-1",
        thread="thread-1",
        checkpoint_ns="ns",
        parents=("event-1",),
        principal=Principal(agent="buyer", user="ann", tenant="acme"),
        policy=POLICY,
        plan="plan-1",
        call=RecordedCall(
            call_id="call-1", tool="pay", digest="sha256:" + "cd" * 32, arguments={"amount": 7}, complete=True
        ),
        decision=Decision(
            effect=Effect.DENY,
            stage=Stage.RULES,
            policy=POLICY,
            capability="payments",
            rules=("no-payments",),
            reasons=(Reason(code="rule", message="payments are off", rule="no-payments"),),
        ),
        context=UNLABELLED,
        argument_labels={"amount": UNLABELLED},
        environment={"deployment": "test"},
    )


def write_closed_log(directory: Path, events: int = 5, *, key: bytes = KEY) -> Path:
    """A log of one closed segment; returns the segment."""
    with AuditLog.open(directory, key=key, durability="none", clock=StepClock()) as log:
        for number in range(events):
            log.append(run_started(number))
    return directory / f"{log.segment}.jsonl"


def abandon(log: AuditLog) -> None:
    """Give up the files as a killed process would: no closing record, no last head, lock released."""
    log._release()


def only_segment(directory: Path) -> Path:
    (segment,) = segment_paths(directory)
    return segment


def sidecar(segment: Path) -> Path:
    return heads_path(segment)


def start_python(code: str, *arguments: str, **options: object) -> subprocess.Popen[bytes]:
    """Start another interpreter that can import the package and these helpers."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, **options)
