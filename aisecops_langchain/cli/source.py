"""Finds the log that a person means by a path, checks it and reads it.

Invariant: a log that does not verify is still read, and always comes with the problems that were found in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aisecops_langchain.audit import LogEntry, SegmentClosed, SegmentOpened, VerifyReport, read_log, verify_log
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.cli.output import CommandError, UnsoundError
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.forensics.delegation import Delegation, delegations_of, family_of, tells_of_delegation
from aisecops_langchain.forensics.text import name, names
from aisecops_langchain.forensics.trace import Trace, traces_of

LOG_FOLDER: Final = "audit"
"""Where a governance home keeps its log."""

_SHOWN_IDS: Final = 20


@dataclass(frozen=True, slots=True)
class LogPart:
    """One of the logs that were read together: of one host, or one governance home."""

    path: Path
    report: VerifyReport
    unreadable: int
    """Lines that are not events of a kind known here."""

    def to_json(self) -> dict[str, object]:
        """Return what is known of this log itself as plain JSON."""
        return log_json(self.path, self.report, unreadable=self.unreadable)


@dataclass(frozen=True, slots=True)
class LoadedLog:
    """One or several logs as far as they can be read, taken as one."""

    parts: tuple[LogPart, ...]
    known: tuple[str, ...]
    """Ids of all traces, in the order in which the logs name them."""
    traces: tuple[Trace, ...]
    """The traces that were asked for, in the order of their first event; never empty."""
    delegations: tuple[Delegation, ...]
    """Who acted for whom, over all traces."""

    @property
    def verified(self) -> bool:
        """Whether all of them verify."""
        return all(part.report.ok for part in self.parts)

    def to_json(self) -> dict[str, object]:
        """Return what is known of the log itself as plain JSON; of several logs, of all together and of each."""
        parts = [part.to_json() for part in self.parts]
        if len(parts) == 1:
            return parts[0]
        return {
            "verified": self.verified,
            "unreadable_lines": sum(part.unreadable for part in self.parts),
            "parts": parts,
        }

    def faults(self) -> tuple[str, ...]:
        """Say in words what keeps this log from being trusted, for what is shown without a verdict above it."""
        return tuple(fault for part in self.parts for fault in _faults(part))


def log_json(path: Path | str, report: VerifyReport, *, unreadable: int = 0) -> dict[str, object]:
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
        "signers": list(report.signers),
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


def load_log(*paths: Path, trace: str | None = None, relatives: bool = False) -> LoadedLog:
    """Check and read one or several logs.

    Args:
        *paths: Log directories, segment files, or governance homes; of several hosts, one of each.
        trace: Only this trace, if given; others are not kept in memory.
        relatives: Whether the runs that it delegated to, and that delegated to it, are kept, too.

    Returns:
        The logs, taken as one.

    Raises:
        CommandError: If it holds no event.
        UnsoundError: If it holds events, but not this trace.
        AuditFormatError: If there is no log, or a file cannot be read.
    """
    known: dict[str, None] = {}
    events: list[AnyEvent] = []
    links: list[AnyEvent] = []
    parts: list[LogPart] = []
    for log in dict.fromkeys(find_log(path) for path in paths):
        unreadable = 0
        for event in _events(log):
            if event is None:
                unreadable += 1
                continue
            known[event.trace] = None
            if tells_of_delegation(event):
                links.append(event)
            if trace is None or relatives or event.trace == trace:
                events.append(event)
        parts.append(LogPart(log, verify_log(log), unreadable))
    delegations = delegations_of(links)
    if trace is not None:
        wanted = family_of(trace, delegations) if relatives and trace in known else {trace}
        events = [event for event in events if event.trace in wanted]
    if not events:
        raise _nothing_found(trace, tuple(known), sum(part.unreadable for part in parts))
    return LoadedLog(tuple(parts), tuple(known), traces_of(events), delegations)


def end(log: LoadedLog) -> None:
    """End a command that showed a log: with exit code 1 if the log does not verify, so that no script goes on with it.

    Args:
        log: What was shown.
    """
    if not log.verified:
        raise SystemExit(1)


def _events(log: Path) -> Iterator[AnyEvent | None]:
    """Read a log; None stands for each line that is no event, and none for records about segments."""
    for entry in read_log(log):
        event = _event(entry)
        if event is not None or entry.error is not None or entry.is_event:
            yield event


def _faults(part: LogPart) -> Iterator[str]:
    where = name(str(part.path))
    if not part.report.ok:
        codes = names(sorted({problem.code for problem in part.report.problems}))
        yield f"LOG DOES NOT VERIFY: {where} has {len(part.report.problems)} problems ({codes}). Trust nothing of it."
    if part.report.warnings:
        codes = names(sorted({warning.code for warning in part.report.warnings}))
        yield f"the end of {where} is not what an orderly stop leaves ({codes})"
    if part.unreadable:
        yield f"{part.unreadable} lines of {where} are no events and are not shown"


def _event(entry: LogEntry) -> AnyEvent | None:
    """Read an entry; records about the segment, and lines that are no event, are none."""
    try:
        parsed = entry.parse()
    except AuditFormatError:
        return None
    return None if isinstance(parsed, SegmentOpened | SegmentClosed) else parsed


def _nothing_found(trace: str | None, known: tuple[str, ...], unreadable: int) -> CommandError:
    if not known:
        return CommandError(
            f"the log holds no events; expected: at least one; got: {unreadable} unreadable lines; do: verify the log"
        )
    shown = ", ".join(name(item) for item in known[:_SHOWN_IDS])
    more = f" and {len(known) - _SHOWN_IDS} more" if len(known) > _SHOWN_IDS else ""
    return UnsoundError(f"the log holds no trace {name(trace or '')}; expected one of: {shown}{more}")
