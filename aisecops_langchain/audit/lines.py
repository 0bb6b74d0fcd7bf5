"""The form of one line: an event's own JSON with its place in the chain spliced in front.

Invariant: a line begins with exactly ``{"seq":N,"prev":"<64 hex>",``; ``prev`` is the SHA-256 of the exact bytes of
the line before it, newline excluded. The bytes are hashed as they are written, so that no field can be left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.errors import AuditFormatError

GENESIS: Final = "0" * 64
"""What the first line of a chain names as its predecessor."""

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Events beyond this are refused by the writer."""

MAX_LINE_BYTES: Final = MAX_EVENT_BYTES + 256
"""An event with its place in the chain and its newline; a reader holds no more than this of a line in memory."""

_BLOCK_BYTES: Final = 256 * 1024
_PLACE: Final = re.compile(rb'\{"seq":(0|[1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})",(?=")')


class ChainedLine(NamedTuple):
    """A line, taken apart."""

    seq: int
    prev: str
    body: bytes
    """The JSON text of the event or record alone."""


class RawLine(NamedTuple):
    """Bytes of a file between two newlines."""

    offset: int
    """Where the line begins, in bytes."""
    data: bytes
    """Without the newline."""
    complete: bool
    """Whether a newline ends it; a writer died in the middle of a line that has none."""

    @property
    def end(self) -> int:
        """Offset just behind the line and its newline."""
        return self.offset + len(self.data) + self.complete


def hash_line(line: bytes) -> str:
    """Hash a line as the next one will name it.

    Args:
        line: The exact bytes, without the newline.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(line).hexdigest()


def join_line(seq: int, prev: str, body: bytes) -> bytes:
    """Give an event its place in the chain.

    Args:
        seq: Number of the line, from 0.
        prev: Hash of the line before it.
        body: A JSON object with at least one member, without newlines.

    Returns:
        The line, without the newline.
    """
    return b'{"seq":%d,"prev":"%s",%s' % (seq, prev.encode(), body[1:])


def split_line(line: bytes) -> ChainedLine | None:
    """Take a line apart.

    Args:
        line: The bytes, without the newline.

    Returns:
        Its parts, or ``None`` if it does not begin with a place in a chain.
    """
    place = _PLACE.match(line)
    if place is None:
        return None
    return ChainedLine(int(place[1]), place[2].decode(), b"{" + line[place.end() :])


def place_of(line: bytes) -> tuple[int, str] | None:
    """Read the place of a line in its chain alone.

    Args:
        line: The bytes, without the newline.

    Returns:
        Its number and the hash of the line before it, or ``None`` if it does not begin with a place in a chain.
    """
    place = _PLACE.match(line)
    return None if place is None else (int(place[1]), place[2].decode())


def iter_lines(path: Path, *, start: int = 0) -> Iterator[RawLine]:
    """Stream the lines of a file; the file is not kept open, so that any number of segments can be merged.

    Args:
        path: A segment or a sidecar.
        start: Where a line begins, in bytes, from which on to read.

    Yields:
        Its lines in order; an incomplete one is the last, or one piece of an oversized line.

    Raises:
        AuditFormatError: If the file cannot be read.
    """
    offset = start
    while block := _read_block(path, offset):
        for data in block.lines:
            yield RawLine(offset, data, complete=True)
            offset += len(data) + 1
        if block.rest:
            yield RawLine(offset, block.rest, complete=False)
            offset += len(block.rest)
            if len(block.rest) < MAX_LINE_BYTES:
                return  # the end as it was just now: a live writer may already have added the rest


class _Block(NamedTuple):
    """A piece of a file."""

    lines: list[bytes]
    """Whole lines, without their newlines."""
    rest: bytes
    """What has no newline behind it: the end of the file, or a piece of an oversized line."""


def _read_block(path: Path, offset: int) -> _Block | None:
    """Read whole lines, or, where none begins and ends within a block, what ``readline`` gives of one."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            data = file.read(_BLOCK_BYTES)
            end = data.rfind(b"\n")
            if end < 0 and data:
                file.seek(offset)
                data = _line(file)
                end = len(data) - 1 if data.endswith(b"\n") else -1
    except OSError as error:
        raise AuditFormatError(
            f"{path.name} cannot be read",
            expected="a readable log file",
            got=type(error).__name__,
            remedy="check that it exists and that this user may read it",
        ) from error
    if not data:
        return None
    return _Block(data[:end].split(b"\n"), b"") if end >= 0 else _Block([], data)


def _line(file: RawIOBase) -> bytes:
    with BufferedReader(file) as buffered:
        return buffered.readline(MAX_LINE_BYTES)
