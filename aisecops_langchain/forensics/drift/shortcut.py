"""What lines have in common that differ only where no decision looks: in ids, times and digests of sources.

Invariant: a line is taken for another only if all its bytes are the same but for texts at places of which it was tried
that they change no key, and those texts hold nothing that could end a JSON string.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

import orjson

from aisecops_langchain.canonical import JsonValue

_T = TypeVar("_T")
_Spans: TypeAlias = tuple[tuple[int, int], ...]

_TEXT: Final = rb"[ !#-\[\]-~]*"
_PLAIN: Final = bytes(range(0x20, 0x7F)).replace(b'"', b"").replace(b"\\", b"")
"""Characters that may stand in a JSON string as they are."""

HEAD: Final = re.compile(
    rb'\{"seq":[0-9]{1,16},"prev":"[0-9a-f]{64}","v":1,"kind":"decision_made","id":"(%(t)s)","time":"(%(t)s)",'
    rb'"trace":"(%(t)s)","thread":"%(t)s","checkpoint_ns":"%(t)s","parents":\[(?:"%(t)s"(?:,"%(t)s")*)?\]'
    % {b"t": _TEXT}
)
"""The beginning of a decision's line as the recorder writes it: id, time and trace."""
_NAMED: Final = {1: "id", 2: "time", 3: "trace"}

_IDS: Final = re.compile(rb',"plan":"(%(t)s)","call":\{"call_id":"(%(t)s)"' % {b"t": _TEXT})
_SOURCE: Final = re.compile(rb'"digest":"(sha256:[0-9a-f]{64})"\}')

_OTHER: Final = bytes(b"y"[0] if byte == b"x"[0] else b"x"[0] for byte in range(256))
"""For each character one that is another."""

_MOST_LINES: Final = 20_000
_MOST_SHAPES: Final = 4
"""Tried for a line of one length, before it is read like any other."""


class _Shape(NamedTuple):
    """Where the texts lie that do not matter, in what follows the head."""

    kept: Callable[[bytes], tuple[bytes, ...]]
    dropped: Callable[[bytes], tuple[bytes, ...]]
    spans: _Spans


class Shortcut(Generic[_T]):
    """Remembers what was found for lines.

    Args:
        key: What two decisions must share, given one as plain JSON.
    """

    def __init__(self, key: Callable[[dict[str, JsonValue]], bytes]) -> None:
        self._key = key
        self._shapes: dict[int, list[_Shape]] = {}
        self._found: dict[tuple[bytes, ...], _T] = {}

    def find(self, line: bytes, head: int) -> _T | None:
        """Look for a line like this one.

        Args:
            line: A line that begins with ``HEAD``.
            head: Where that ends.

        Returns:
            What was found for the other line; ``None`` if there is none.
        """
        rest = line[head:]
        for shape in self._shapes.get(len(rest), ()):
            found = self._found.get(shape.kept(rest))
            if found is not None and not b"".join(shape.dropped(rest)).translate(None, _PLAIN):
                return found
        return None

    def learn(self, line: bytes, head: re.Match[bytes], key: bytes, found: _T) -> None:
        """Remember what was found for a line, if others like it can be told by their bytes.

        Args:
            line: The line, which is a sound event.
            head: Its head.
            key: Its key.
            found: What to find for lines like it.
        """
        rest = line[head.end() :]
        spans = _spans(rest)
        if not spans or not self._is_indifferent(line, head, spans, key):
            return
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

    def _is_indifferent(self, line: bytes, head: re.Match[bytes], spans: _Spans, key: bytes) -> bool:
        """Try it with other texts at all places: the key must stay, and the head's texts be the event's own."""
        other = bytearray(line)
        start = head.end()
        for begin, end in (*map(head.span, _NAMED), *((start + begin, start + end) for begin, end in spans)):
            other[begin:end] = line[begin:end].translate(_OTHER)
        fields = orjson.loads(other)
        named = {name: other[slice(*head.span(group))].decode() for group, name in _NAMED.items()}
        return self._key(fields) == key and named.items() <= fields.items()


def _spans(rest: bytes) -> _Spans:
    ids = _IDS.search(rest)
    if ids is None:
        return ()
    return (ids.span(1), ids.span(2), *(item.span(1) for item in _SOURCE.finditer(rest, ids.end())))


def _shape(spans: _Spans, end: int) -> _Shape:
    edges = (0, *(edge for span in spans for edge in span), end)
    return _Shape(
        kept=itemgetter(*(slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True))),
        dropped=itemgetter(*(slice(start, stop) for start, stop in spans)),
        spans=spans,
    )
