"""Finds runs by words that stand anywhere in their lines.

Invariant: the log itself is asked, so that whatever it holds is found, and the answer is about the lines as they are
now. Letters of ASCII are found in either case; other characters as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.errors import AuditFormatError

_CHUNK: Final = 4 * 1024 * 1024
_TRACE: Final = re.compile(rb'"trace":("(?:[^"\\]|\\.)*")')


def runs_with(log: Path, words: str) -> tuple[str, ...]:
    """Find the runs in whose lines a text stands.

    Args:
        log: The log directory.
        words: The text.

    Returns:
        The runs, each once.

    Raises:
        AuditFormatError: If a segment cannot be read.
    """
    needle = orjson.dumps(words)[1:-1].lower()
    found: dict[str, None] = {}
    for path in segment_paths(log):
        for chunk in _chunks(path):
            if needle in chunk.lower():
                for line in chunk.split(b"\n"):
                    trace = _TRACE.search(line) if needle in line.lower() else None
                    if trace is not None:
                        found[_text(trace[1])] = None
    return tuple(found)


def _chunks(path: Path) -> Iterator[bytes]:
    """Read whole lines, many at once; the file is read rather than mapped, since it may be cut meanwhile."""
    rest = b""
    try:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                whole, newline, rest_of_block = block.rpartition(b"\n")
                if newline:
                    yield rest + whole
                    rest = rest_of_block
                else:
                    rest += block
    except OSError as error:
        raise AuditFormatError(f"{path.name} cannot be read", got=type(error).__name__) from error


def _text(quoted: bytes) -> str:
    try:
        return str(orjson.loads(quoted))
    except orjson.JSONDecodeError:
        return ""
