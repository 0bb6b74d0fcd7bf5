"""Reading a few lines of a large segment by their numbers, without what lies before them.

Invariant: in a segment that verifies, the lines read are exactly those of these numbers; in another they may be fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aisecops_langchain.audit.lines import RawLine, iter_lines, split_line

_CLOSE: Final = 256 * 1024
"""Bytes that are read rather than bisected."""


def lines_between(path: Path, first: int, last: int) -> Iterator[RawLine]:
    """Read the lines from one number to another.

    Args:
        path: The segment.
        first: Number of the first line.
        last: Number of the last line.

    Yields:
        The lines, in order.

    Raises:
        AuditFormatError: If the file cannot be read.
    """
    for line in iter_lines(path, start=_start(path, first)):
        place = split_line(line.data) if line.complete else None
        if place is None or place.seq < first:
            continue
        if place.seq > last:
            return
        yield line


def _start(path: Path, seq: int) -> int:
    """Find where a line begins that is not behind the wanted one, and close to it."""
    low, high = 0, path.stat().st_size if path.is_file() else 0
    while high - low > _CLOSE:
        middle = (low + high) // 2
        found = _first_after(path, middle)
        if found is None or found[1] > seq:
            high = middle
        else:
            low = found[0]
            if found[0] >= high:
                break
    return low


def _first_after(path: Path, offset: int) -> tuple[int, int] | None:
    """Return where the first whole line behind an offset begins, and its number."""
    lines = iter_lines(path, start=offset)
    next(lines, None)  # the rest of the line in which the offset lies
    for line in lines:
        place = split_line(line.data) if line.complete else None
        if place is not None:
            return line.offset, place.seq
    return None
