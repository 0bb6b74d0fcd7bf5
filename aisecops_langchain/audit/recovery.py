"""What a new segment takes over from those before it: their ends, and the half-written lines of writers that died.

Invariant: nothing is thrown away. A torn tail is copied to the quarantine and synced before it is cut off, and a
segment that a living writer has locked is never touched. Reading is tolerant here; judging is the verifier's part.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aisecops_langchain.audit.files import write_durably
from aisecops_langchain.audit.heads import parse_head
from aisecops_langchain.audit.layout import QUARANTINE, heads_path, segment_paths
from aisecops_langchain.audit.lines import GENESIS, MAX_LINE_BYTES, hash_line, iter_lines, split_line
from aisecops_langchain.audit.records import PreviousEnd, RecoveredTail, SegmentOpened, parse_record
from aisecops_langchain.errors import AuditFormatError

_BLOCK_BYTES = 64 * 1024


class Inheritance(NamedTuple):
    """What an opening record says about the segments before it."""

    previous: tuple[PreviousEnd, ...]
    recovered: tuple[RecoveredTail, ...]


def recover(directory: Path) -> Inheritance:
    """Cut torn tails off dead segments and find the ends that no later segment names yet.

    Args:
        directory: The log directory, locked against other openers.

    Returns:
        What the new segment's opening record must say.

    Raises:
        OSError: If a segment or the quarantine is out of reach.
        AuditFormatError: If a segment cannot be read.
    """
    segments = segment_paths(directory)
    named = {end for path in segments for end in _ends_named_by(path)}
    ended = {end.segment for end in named if end.ended}
    previous: list[PreviousEnd] = []
    recovered: list[RecoveredTail] = []
    for path in segments:
        if path.stem in ended:
            continue
        with _writable_if_dead(path) as descriptor:
            if descriptor is not None:
                recovered.extend(_quarantine_torn_tail(directory, path, descriptor))
            end = _end_of(path, dead=descriptor is not None)
        if end is not None and end not in named:
            previous.append(end)
    return Inheritance(tuple(previous), tuple(recovered))


def read_header(path: Path) -> SegmentOpened | None:
    """Read the opening record of a segment.

    Args:
        path: The segment file.

    Returns:
        The record, or ``None`` where the first line is not one.

    Raises:
        AuditFormatError: If the file cannot be read.
    """
    first = next(iter_lines(path), None)
    parts = split_line(first.data) if first is not None and first.complete else None
    if parts is None or parts.prev != GENESIS:
        return None
    try:
        record = parse_record(parts.body)
    except AuditFormatError:
        return None
    return record if isinstance(record, SegmentOpened) else None


def _ends_named_by(path: Path) -> Iterable[PreviousEnd]:
    header = read_header(path)
    return () if header is None else header.previous


@contextmanager
def _writable_if_dead(path: Path) -> Iterator[int | None]:
    """Open a segment and hold its lock, unless its writer still does."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield descriptor
    finally:
        os.close(descriptor)


def _quarantine_torn_tail(directory: Path, path: Path, descriptor: int) -> Iterable[RecoveredTail]:
    size = os.fstat(descriptor).st_size
    offset = _end_of_last_line(descriptor, size)
    if offset == size:
        return ()
    torn = os.pread(descriptor, size - offset, offset)
    quarantine = directory / QUARANTINE
    quarantine.mkdir(mode=0o700, exist_ok=True)
    # A recovery that was itself interrupted left the same bytes under the same name, or fewer.
    write_durably(quarantine / f"{path.stem}.{offset}.torn", torn)
    os.ftruncate(descriptor, offset)
    os.fsync(descriptor)
    digest = hashlib.sha256(torn).hexdigest()
    return (RecoveredTail(segment=path.stem, offset=offset, bytes=len(torn), sha256=digest),)


def _end_of_last_line(descriptor: int, size: int) -> int:
    """Offset just behind the last newline, found from the end backwards."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _end_of(path: Path, *, dead: bool) -> PreviousEnd | None:
    """The furthest known end of a segment.

    That of a living writer is its last signed head. That of a dead one is its last line, so that what it had not
    signed yet is sworn to from now on; but a head that says more than the file holds wins, for it proves a cut.
    """
    signed = _last_signed(path, dead=dead)
    last = _last_line(path) if dead else None
    if last is None or (signed is not None and signed.seq >= last.seq):
        return signed
    return last


def _last_signed(path: Path, *, dead: bool) -> PreviousEnd | None:
    sidecar = heads_path(path)
    lines = _tail_lines(sidecar) if sidecar.is_file() else []
    for line in reversed(lines):
        try:
            head = parse_head(line)
        except AuditFormatError:
            continue
        return PreviousEnd(segment=path.stem, seq=head.seq, head=head.head, ended=dead)
    return None


def _last_line(path: Path) -> PreviousEnd | None:
    lines = _tail_lines(path)
    parts = split_line(lines[-1]) if lines else None
    if parts is None:
        return None
    return PreviousEnd(segment=path.stem, seq=parts.seq, head=hash_line(lines[-1]), ended=True)


def _tail_lines(path: Path) -> list[bytes]:
    """The last whole lines of a file: at least one, if there is one."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - MAX_LINE_BYTES - 1)
        file.seek(start)
        pieces = file.read().split(b"\n")[:-1]
    return pieces if start == 0 else pieces[1:]
