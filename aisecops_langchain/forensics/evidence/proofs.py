"""Taking the lines of one trace out of a segment so that they can still be checked without the rest.

Invariant: a line is given as the exact bytes that were chained, at its own number. Of every other line only the hash is
given, so that nothing of other runs is disclosed. A hash that no given line and no signed head names rests on the word
of whoever made the package; ``signed_lines`` counts only those that rest on heads from when they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from aisecops_langchain.audit.heads import parse_head
from aisecops_langchain.audit.layout import heads_path
from aisecops_langchain.audit.lines import RawLine, hash_line, iter_lines
from aisecops_langchain.errors import AuditFormatError


class SegmentProof(NamedTuple):
    """What a package holds of one segment."""

    name: str
    lines: tuple[bytes, ...]
    """The given lines, in order: the opening record, those of the trace, and with bridges those that tie them."""
    hashes: tuple[str, ...]
    """Hashes of all lines from the first to the one that the last head names."""
    heads: tuple[bytes, ...]
    """Signed heads up to the first that covers the last given line."""
    events: int
    """How many lines are of the trace."""


@dataclass(slots=True)
class _Scan:
    """One pass over a segment."""

    hashes: list[str] = field(default_factory=list)
    given: dict[int, bytes] = field(default_factory=dict)
    events: list[int] = field(default_factory=list)


def prove_segment(path: Path, trace: str, *, bridges: bool) -> SegmentProof | None:
    """Take the lines of one trace out of a segment.

    Args:
        path: The segment, which verifies.
        trace: The trace.
        bridges: Whether to give the lines of others, too, that stand between one of the trace and the next head.

    Returns:
        What to put into a package; None if the segment has no line of the trace.

    Raises:
        AuditFormatError: If a file cannot be read.
    """
    # Heads first: a living writer adds lines before heads, so every head read here finds its line below.
    heads = _heads(path)
    scan = _scanned(path, trace)
    if not scan.events:
        return None
    last = scan.events[-1]
    covering = next((place for place, (seq, _) in enumerate(heads) if seq >= last), len(heads) - 1)
    kept = heads[: covering + 1]
    end = max(last, kept[-1][0] if kept else 0)
    if bridges:
        wanted = bridged(scan.events, [seq for seq, _ in kept])
        scan.given.update(_lines_at(path, wanted - scan.given.keys()))
    return SegmentProof(
        name=path.stem,
        lines=tuple(scan.given[seq] for seq in sorted(scan.given)),
        hashes=tuple(scan.hashes[: end + 1]),
        heads=tuple(line for _, line in kept),
        events=len(scan.events),
    )


def bridged(events: Sequence[int], heads: Sequence[int]) -> set[int]:
    """Say which lines tie some lines to signed heads.

    Args:
        events: Numbers of the lines, in order.
        heads: Numbers of the lines that heads name, in order.

    Returns:
        The numbers of all lines from each to the next head, where there is one.
    """
    wanted: set[int] = set()
    for seq in events:
        head = next((point for point in heads if point >= seq), None)
        if head is not None:
            wanted.update(range(seq, head + 1))
    return wanted


def signed_lines(events: Sequence[int], given: set[int], heads: set[int]) -> int:
    """Count the lines that rest on a head which was signed when they were written.

    Args:
        events: Numbers of the lines of the trace.
        given: Numbers of all lines whose bytes are there, and which are chained wherever they are neighbours.
        heads: Numbers of the lines that valid heads name.

    Returns:
        How many of the events have an unbroken row of given lines up to a head.
    """
    tied: set[int] = set()
    for seq in sorted(given, reverse=True):
        if seq in heads or seq + 1 in tied:
            tied.add(seq)
    return sum(seq in tied for seq in events)


def trace_of(line: bytes) -> str | None:
    """Read which trace a line is of.

    Args:
        line: The exact line.

    Returns:
        Its trace; None for a segment's own record.

    Raises:
        AuditFormatError: If it is no JSON object.
    """
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise AuditFormatError("line of the audit log makes no sense", expected="a JSON object")
    trace = found.get("trace")
    return trace if isinstance(trace, str) else None


def _scanned(path: Path, trace: str) -> _Scan:
    scan = _Scan()
    for line in _whole(path):
        seq = len(scan.hashes)
        scan.hashes.append(hash_line(line.data))
        if seq == 0:
            scan.given[0] = line.data
        elif trace_of(line.data) == trace:
            scan.given[seq] = line.data
            scan.events.append(seq)
    return scan


def _lines_at(path: Path, wanted: set[int]) -> dict[int, bytes]:
    return {seq: line.data for seq, line in enumerate(_whole(path)) if seq in wanted} if wanted else {}


def _whole(path: Path) -> Iterator[RawLine]:
    return (line for line in iter_lines(path) if line.complete)


def _heads(path: Path) -> list[tuple[int, bytes]]:
    return [(parse_head(line.data).seq, line.data) for line in _whole(heads_path(path))]
