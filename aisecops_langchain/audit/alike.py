"""What is known of lines that are the same but for some texts of which it was tried that they do not matter.

Invariant: a line is taken for another only if all its bytes are the same but for the texts at those places, and those
hold nothing that could end a JSON string; so both are the same JSON but for the values of these strings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

_T = TypeVar("_T")

Spans: TypeAlias = tuple[tuple[int, int], ...]
"""Begin and end of texts, in order."""

TEXT: Final = rb"[ !#-\[\]-~]*"
"""Pattern of a plain text: characters that stand in a JSON string as they are."""
PLAIN: Final = bytes(range(0x20, 0x7F)).replace(b'"', b"").replace(b"\\", b"")
"""The same characters."""
HEX: Final = b"0123456789abcdef"

_MOST_LINES: Final = 20_000
_MOST_SHAPES: Final = 4
"""Tried for a line of one length, before it is read like any other."""
_TRIES: Final = 500
_WORTH: Final = 4
"""Once so many lines were tried, one more is only for each few that were found."""


def _turned(byte: int) -> int:
    place = HEX.find(byte)
    if place >= 0:
        return HEX[place - 1]
    return ord("y") if byte == ord("x") else ord("x")


_OTHER: Final = bytes(map(_turned, range(256)))
"""For each character another one: for a hexadecimal digit one that is one, too."""


class _Shape(NamedTuple):
    """Where the texts lie, and how to take them out."""

    kept: Callable[[bytes], tuple[bytes, ...]]
    dropped: Callable[[bytes], tuple[bytes, ...]]
    spans: Spans


class Alike(Generic[_T]):
    """Remembers what is known of lines, by what follows their heads.

    Args:
        characters: What the texts may hold.
    """

    def __init__(self, characters: bytes) -> None:
        self._characters = characters
        self._shapes: dict[int, list[_Shape]] = {}
        self._found: dict[tuple[bytes, ...], _T] = {}
        self._hits = 0
        self._tries = 0

    def find(self, rest: bytes) -> _T | None:
        """Look for a line like this one.

        Args:
            rest: What follows the head of the line.

        Returns:
            What is known of the other line; ``None`` if there is none.
        """
        for shape in self._shapes.get(len(rest), ()):
            found = self._found.get(shape.kept(rest))
            if found is not None and not b"".join(shape.dropped(rest)).translate(None, self._characters):
                self._hits += 1
                return found
        return None

    def is_worth_a_try(self) -> bool:
        """Tell whether to try a line and learn it; in a log in which all lines differ that costs more than it gives."""
        if self._tries >= _TRIES + self._hits // _WORTH:
            return False
        self._tries += 1
        return True

    def learn(self, rest: bytes, spans: Spans, found: _T) -> None:
        """Remember what is known of a line; the caller has tried that the texts do not matter.

        Args:
            rest: What follows the head of the line.
            spans: Where the texts lie in it.
            found: What is known.
        """
        if len(self._found) >= _MOST_LINES:
            self._found.clear()
            self._shapes.clear()
        shapes = self._shapes.setdefault(len(rest), [])
        shape = next((item for item in shapes if item.spans == spans), None)
        if shape is None:
            if len(shapes) >= _MOST_SHAPES:
                return
            shape = _shape(spans, len(rest))
            shapes.append(shape)
        self._found[shape.kept(rest)] = found


def with_others(line: bytes, spans: Sequence[tuple[int, int]]) -> bytes:
    """Write other texts into a line.

    Args:
        line: The line.
        spans: Where they lie.

    Returns:
        The line, with each character of the texts replaced by another.
    """
    other = bytearray(line)
    for begin, end in spans:
        other[begin:end] = line[begin:end].translate(_OTHER)
    return bytes(other)


def _shape(spans: Spans, end: int) -> _Shape:
    edges = (0, *(edge for span in spans for edge in span), end)
    kept = [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    dropped = [slice(start, stop) for start, stop in spans]
    # An empty slice more, since of one alone no tuple would come.
    return _Shape(itemgetter(slice(0), *kept), itemgetter(slice(0), slice(0), *dropped), spans)
