"""Logs on disk for tests of the commands that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from click.testing import Result

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.domain.events import AnyEvent

KEY = b"k" * 32

Run = Callable[..., Result]


def write_log(directory: Path, events: Iterable[AnyEvent]) -> Path:
    with AuditLog.open(directory, key=KEY) as log:
        for event in events:
            log.append(event)
        log.commit()
    return directory


def segment_of(directory: Path) -> Path:
    (segment,) = directory.glob("*.jsonl")
    return segment
