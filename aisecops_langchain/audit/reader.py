"""Reading a log: one segment, or a whole directory as one story in the order of time.

Invariant: whatever stands in the files, reading yields entries; a line that is torn or makes no sense becomes an entry
with an error and hides nothing after it. Reading does not judge; whether the log was changed, ``verify_log`` says.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Final, cast

import orjson
from pydantic import JsonValue

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.lines import RawLine, iter_lines, split_line
from aisecops_langchain.audit.records import RECORD_KINDS, SegmentRecord, is_record, parse_record
from aisecops_langchain.domain.events import AnyEvent, parse_event
from aisecops_langchain.errors import AuditFormatError

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of a log; its event is only parsed when asked for."""

    segment: str
    """Name of the segment, without suffix."""
    offset: int
    """Where the line begins in the segment, in bytes."""
    raw: bytes
    """The exact line, without the newline."""
    seq: int = -1
    """Number of the line in its segment."""
    kind: str = ""
    """Tag of the event or record."""
    id: str = ""
    """Id of the event; empty for a segment's own records."""
    time: datetime | None = None
    fields: dict[str, JsonValue] | None = None
    """The line as plain JSON, ``seq`` and ``prev`` included, for readers in a hurry; treat it as read-only."""
    error: AuditFormatError | None = None
    """Why the line makes no sense; then only ``segment``, ``offset`` and ``raw`` are filled."""

    @property
    def is_event(self) -> bool:
        """Whether it is an event, not a record about the segment and not an unreadable line."""
        return self.error is None and self.kind not in RECORD_KINDS

    def parse(self) -> AnyEvent | SegmentRecord:
        """Read the line strictly.

        Returns:
            The event, or the segment's record.

        Raises:
            AuditFormatError: If it is neither.
        """
        if self.error is not None:
            raise self.error
        parts = split_line(self.raw)
        if parts is None:
            raise _malformed("no place in a chain")
        return parse_body(parts.body)


def parse_body(body: bytes) -> AnyEvent | SegmentRecord:
    """Read what a line says, without its place in the chain.

    Args:
        body: The JSON text.

    Returns:
        The event, or the segment's record.

    Raises:
        AuditFormatError: If it is neither.
    """
    return parse_record(body) if is_record(body) else parse_event(body)


def read_segment(path: Path) -> Iterator[LogEntry]:
    """Stream one segment.

    Args:
        path: The segment file.

    Yields:
        Every line, in order.

    Raises:
        AuditFormatError: If the file cannot be read at all.
    """
    for line in iter_lines(path):
        yield read_line(path.stem, line)


def read_log(path: Path) -> Iterator[LogEntry]:
    """Read a log as one story: all segments merged by time, each event once.

    The order within a segment is kept even where its clock went backwards. An event that was recorded by more than
    one process, because a node ran again, appears where it was first recorded.

    Args:
        path: A log directory, or one segment file.

    Returns:
        The entries; memory grows only with the number of distinct event ids.

    Raises:
        AuditFormatError: If there is no log at this path, or a file cannot be read.
    """
    try:
        segments = segment_paths(path) if path.is_dir() else [path] if path.is_file() else []
    except OSError:
        segments = []
    if not segments:
        raise AuditFormatError(
            f"no audit log at {path.name or path}",
            expected="a directory with segments, or one segment file",
            got="nothing that can be read",
            remedy="check the path",
        )
    return merged(map(read_segment, segments))


def merged(segments: Iterable[Iterator[LogEntry]]) -> Iterator[LogEntry]:
    """Merge the entries of several segments by time, each event once.

    Args:
        segments: The entries of each segment, in its order.

    Yields:
        The entries as one story.
    """
    seen: set[str] = set()
    for _, entry in heapq.merge(*map(_timed, segments), key=itemgetter(0)):
        if entry.is_event:
            if entry.id in seen:
                continue
            seen.add(entry.id)
        yield entry


def _timed(entries: Iterator[LogEntry]) -> Iterator[tuple[datetime, LogEntry]]:
    """Pair entries with a time that never goes backwards, so that merging keeps the segment's order."""
    latest = _BEGINNING
    for entry in entries:
        if entry.time is not None and entry.time > latest:
            latest = entry.time
        yield latest, entry


def read_line(segment: str, line: RawLine) -> LogEntry:
    """Read one line of a segment.

    Args:
        segment: Name of the segment.
        line: The line.

    Returns:
        Its entry, with an error if it makes no sense.
    """
    try:
        return _understood(segment, line)
    except AuditFormatError as error:
        return LogEntry(segment, line.offset, line.data, error=error)


def _understood(segment: str, line: RawLine) -> LogEntry:
    parts = split_line(line.data) if line.complete else None
    if parts is None:
        raise _malformed("no place in a chain" if line.complete else "a line without an end")
    try:
        fields = cast("dict[str, JsonValue]", orjson.loads(line.data))
    except orjson.JSONDecodeError:
        raise _malformed("invalid JSON") from None
    kind = _text(fields, "kind")
    identity = "" if kind in RECORD_KINDS else _text(fields, "id")
    return LogEntry(segment, line.offset, line.data, parts.seq, kind, identity, _moment(fields), fields)


def _text(fields: dict[str, JsonValue], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise _malformed(f"no text under {name!r}")
    return value


def _moment(fields: dict[str, JsonValue]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(fields, "time"))
    except ValueError:
        raise _malformed("no date under 'time'") from None
    if moment.tzinfo is None:
        raise _malformed("a time without a zone")
    return moment


def _malformed(got: str) -> AuditFormatError:
    return AuditFormatError(
        "line of the audit log makes no sense",
        expected="a chained event or segment record",
        got=got,
        remedy="verify the log",
    )
