"""Lines of a JSONL file as texts to scan, and the lines that answer them.

Invariant: every line is answered by exactly one line, in order; one that cannot be read is answered by an error that
names it, and never passes for a clean one.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Any, Final, NamedTuple

import orjson

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize.bulk import Piece, Scanned, ScanSetup, scan_all

CHANNELS: Final = {kind.value: kind for kind in SourceKind} | {"prompt": SourceKind.USER_PROMPT}
"""Channels by the names that people use."""

_LONGEST_LINE: Final = 256 * 2**20
"""Bytes; a longer line is not held in memory."""


class LineError(str):
    """Why a line could not be read."""

    __slots__ = ()


class Line(NamedTuple):
    """One line as read."""

    number: int
    """Counted from one."""
    id: Any
    piece: Piece | LineError


def read_lines(stream: IO[bytes], channel: SourceKind) -> Iterator[Line]:
    """Read lines.

    Args:
        stream: One JSON object a line, with ``text`` and perhaps ``id`` and ``channel``.
        channel: For lines that name none.

    Yields:
        Every line that is not blank.
    """
    number = 0
    while raw := stream.readline(_LONGEST_LINE):
        number += 1
        if not raw.endswith(b"\n") and len(raw) >= _LONGEST_LINE:
            while (rest := stream.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield Line(number, None, LineError(f"longer than {_LONGEST_LINE} bytes"))
        elif raw.strip():
            yield _read(number, raw, channel)


def scan_lines(lines: Iterable[Line], setup: ScanSetup, *, jobs: int) -> Iterator[tuple[Line, Scanned | None]]:
    """Scan lines.

    Args:
        lines: The lines as read.
        setup: Makes the scanner.
        jobs: Processes.

    Yields:
        Every line in order, with what was found; with nothing where it could not be read.

    Raises:
        ConfigurationError: If a rule pack cannot be read or is not sound.
    """
    under_way: deque[Line] = deque()

    def pieces() -> Iterator[Piece]:
        for line in lines:
            under_way.append(line)
            if isinstance(line.piece, Piece):
                yield line.piece

    for found in scan_all(pieces(), setup, jobs=jobs):
        while isinstance(under_way[0].piece, LineError):
            yield under_way.popleft(), None
        yield under_way.popleft(), found
    for line in under_way:
        yield line, None


def answer(line: Line, found: Scanned | None) -> bytes:
    """Write the line that answers a line.

    Args:
        line: The line.
        found: What was found in it; nothing where it could not be read.

    Returns:
        A JSON object with its line break.
    """
    content = as_json(found) if found else {"line": line.number, "error": str(line.piece)}
    return orjson.dumps({"id": line.id, **content}, option=orjson.OPT_APPEND_NEWLINE)


def as_json(found: Scanned) -> dict[str, Any]:
    """Return a result in the form that is written: ``action``, ``findings`` and ``label``."""
    return {
        "action": found.action.value,
        "findings": [
            {
                "rule": item.rule,
                "category": item.category,
                "severity": item.severity.value,
                "span": [item.start, item.end],
                "view": item.view,
            }
            for item in found.findings
        ],
        "label": {
            "integrity": found.label.integrity.value,
            "confidentiality": found.label.confidentiality.value,
        },
    }


def _read(number: int, raw: bytes, channel: SourceKind) -> Line:
    try:
        content = _parse(raw)
    except (ValueError, RecursionError) as error:
        return Line(number, None, LineError(f"not a JSON object ({type(error).__name__})"))
    if not isinstance(content, dict):
        return Line(number, None, LineError(f"expected a JSON object, got {type(content).__name__}"))
    name = content.get("id")
    known = name if isinstance(name, str | int | None) and type(name) is not bool else None
    text, door = content.get("text"), content.get("channel")
    if not isinstance(text, str):
        return Line(number, known, LineError("expected a field text that holds text"))
    if door is not None and door not in CHANNELS:
        return Line(number, known, LineError(f"unknown channel; expected one of {', '.join(sorted(CHANNELS))}"))
    return Line(number, known, Piece(text, channel if door is None else CHANNELS[door]))


def _parse(raw: bytes) -> object:
    """Read JSON, also with lone surrogates or bytes that are not UTF-8: they are to be judged, not to be let off."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return json.loads(raw.decode("utf-8", "surrogateescape"))
