"""Following a log while it is written, across segments and processes.

Invariant: every whole line that is added is given once, in the order of its segment; a half-written line is waited for.
A line that does not follow the one before it, and a segment that became shorter or disappeared, is given as an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.lines import GENESIS, MAX_LINE_BYTES, RawLine, hash_line, iter_lines, split_line
from aisecops_langchain.audit.reader import LogEntry, read_line
from aisecops_langchain.errors import AuditFormatError


class Follower:
    """Remembers how far a log was read.

    Args:
        log: The log directory.
        from_start: Whether what is there already is given, too.
    """

    def __init__(self, log: Path, *, from_start: bool = False) -> None:
        self._log = log
        self._places: dict[Path, tuple[int, str]] = {}
        """How far each segment was read, and the hash of the last line."""
        if not from_start:
            for path in _segments(log):
                self._places[path] = _end(path)

    def poll(self) -> Iterator[LogEntry]:
        """Look for what was added.

        Yields:
            New entries; segments in the order of their names.

        Raises:
            AuditFormatError: If the log or a segment cannot be read.
        """
        paths = _segments(self._log)
        for path in self._places.keys() - set(paths):
            del self._places[path]
            yield _alarm(path, 0, "the segment is gone")
        for path in paths:
            yield from self._added(path)

    def _added(self, path: Path) -> Iterator[LogEntry]:
        offset, head = self._places.get(path, (0, GENESIS))
        size = _size(path)
        if size is None:
            return  # it disappeared just now: the next look says so
        if size < offset:
            self._places[path] = _end(path)
            yield _alarm(path, offset, "the segment became shorter")
            return
        for line in iter_lines(path, start=offset):
            if not line.complete and len(line.data) < MAX_LINE_BYTES:
                return
            self._places[path] = (line.end, hash_line(line.data))
            parts = split_line(line.data)
            if parts is not None and parts.prev != head:
                yield _alarm(path, line.offset, "a line does not follow the line before it")
            head = self._places[path][1]
            yield read_line(path.stem, line)


def _segments(log: Path) -> list[Path]:
    try:
        return segment_paths(log)
    except OSError as error:
        raise AuditFormatError(
            "the log cannot be followed",
            expected="a log directory that this user may list",
            got=type(error).__name__,
            remedy="check that it is still there",
        ) from error


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _end(path: Path) -> tuple[int, str]:
    last: RawLine | None = None
    for line in iter_lines(path):
        if line.complete:
            last = line
    return (0, GENESIS) if last is None else (last.end, hash_line(last.data))


def _alarm(path: Path, offset: int, what: str) -> LogEntry:
    error = AuditFormatError(what, expected="a log that only grows", got=path.stem, remedy="verify the log")
    return LogEntry(path.stem, offset, b"", error=error)
