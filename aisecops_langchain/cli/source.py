"""Finds the log that a person means by a path, checks it and reads it.

Invariant: a log that does not verify is still read, and always comes with the problems that were found in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aisecops_langchain.audit import LogEntry, SegmentClosed, SegmentOpened, VerifyReport, read_log, verify_log
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.cli.output import CommandError
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.text import name
from aisecops_langchain.forensics.trace import Trace, traces_of

LOG_FOLDER: Final = "audit"
"""Where a governance home keeps its log."""

_SHOWN_IDS: Final = 20


@dataclass(frozen=True, slots=True)
class LoadedLog:
    """A log as far as it can be read."""

    path: Path
    report: VerifyReport
    known: tuple[str, ...]
    """Ids of all traces in the log, in the order of their first event."""
    traces: tuple[Trace, ...]
    """The traces that were asked for, in the order of their first event; never empty."""
    unreadable: int
    """Lines that are not events of a kind known here."""

    def to_json(self) -> dict[str, object]:
        """Return what is known of the log itself as plain JSON."""
        return log_json(self.path, self.report, unreadable=self.unreadable)


def log_json(path: Path, report: VerifyReport, *, unreadable: int = 0) -> dict[str, object]:
    """Return what is known of a log as plain JSON.

    Args:
        path: The log.
        report: Its verification.
        unreadable: Number of lines that are no events.

    Returns:
        The facts by name.
    """
    return {
        "path": str(path),
        "verified": report.ok,
        "keys_pinned": report.keys_pinned,
        "events": report.events,
        "segments": len(report.segments),
        "unreadable_lines": unreadable,
        "problems": [problem.model_dump(mode="json") for problem in report.problems],
        "warnings": [warning.model_dump(mode="json") for warning in report.warnings],
    }


def find_log(path: Path) -> Path:
    """Find the log that a path means.

    Args:
        path: A log directory, a segment file, or a governance home with a log inside.

    Returns:
        The log directory or file.
    """
    inside = path / LOG_FOLDER
    return inside if path.is_dir() and not segment_paths(path) and inside.is_dir() else path


def load_log(path: Path, *, trace: str | None = None) -> LoadedLog:
    """Check and read a log.

    Args:
        path: A log directory, a segment file, or a governance home.
        trace: Only this trace, if given; others are not kept in memory.

    Returns:
        The log.

    Raises:
        CommandError: If it holds no event, or not this trace.
        AuditFormatError: If there is no log, or a file cannot be read.
    """
    log = find_log(path)
    report = verify_log(log)
    known: dict[str, None] = {}
    events: list[AnyEvent] = []
    unreadable = 0
    for entry in read_log(log):
        event = _event(entry)
        if event is None:
            unreadable += entry.error is not None or entry.is_event
            continue
        known[event.trace] = None
        if trace is None or event.trace == trace:
            events.append(event)
    if not events:
        raise CommandError(_nothing_found(trace, tuple(known), unreadable))
    return LoadedLog(log, report, tuple(known), traces_of(events), unreadable)


def _event(entry: LogEntry) -> AnyEvent | None:
    """Read an entry; records about the segment, and lines that are no event, are none."""
    try:
        parsed = entry.parse()
    except AuditFormatError:
        return None
    return None if isinstance(parsed, SegmentOpened | SegmentClosed) else parsed


def _nothing_found(trace: str | None, known: tuple[str, ...], unreadable: int) -> str:
    if not known:
        return (
            f"the log holds no events; expected: at least one; got: {unreadable} unreadable lines; do: verify the log"
        )
    shown = ", ".join(name(item) for item in known[:_SHOWN_IDS])
    more = f" and {len(known) - _SHOWN_IDS} more" if len(known) > _SHOWN_IDS else ""
    return f"the log holds no trace {name(trace or '')}; expected one of: {shown}{more}"
