"""What lines of decisions have in common that differ only where no decision looks: in ids, times, digests of sources.

Invariant: what was found for one line is found for another only if it was tried that the texts in which they differ
change no key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import orjson

from aisecops_langchain.audit.alike import PLAIN, TEXT, Alike, Spans, with_others
from aisecops_langchain.canonical import JsonValue

_T = TypeVar("_T")

HEAD: Final = re.compile(
    rb'\{"seq":[0-9]{1,16},"prev":"[0-9a-f]{64}","v":1,"kind":"decision_made","id":"(%(t)s)","time":"(%(t)s)",'
    rb'"trace":"(%(t)s)","thread":"%(t)s","checkpoint_ns":"%(t)s","parents":\[(?:"%(t)s"(?:,"%(t)s")*)?\]'
    % {b"t": TEXT}
)
"""The beginning of a decision's line as the recorder writes it: id, time and trace."""

_NAMED: Final = {1: "id", 2: "time", 3: "trace"}
_IDS: Final = re.compile(rb',"plan":"(%(t)s)","call":\{"call_id":"(%(t)s)"' % {b"t": TEXT})
_SOURCE: Final = re.compile(rb'"digest":"(sha256:[0-9a-f]{64})"\}')


class Shortcut(Generic[_T]):
    """Remembers what was found for lines.

    Args:
        key: What two decisions must share, given one as plain JSON.
    """

    def __init__(self, key: Callable[[dict[str, JsonValue]], bytes]) -> None:
        self._key = key
        self._alike: Alike[_T] = Alike(PLAIN)

    def find(self, line: bytes, head: re.Match[bytes]) -> _T | None:
        """Look for a line like this one.

        Args:
            line: The line.
            head: Its head.

        Returns:
            What was found for the other line; ``None`` if there is none.
        """
        return self._alike.find(line[head.end() :])

    def learn(self, line: bytes, head: re.Match[bytes], key: bytes, found: _T) -> None:
        """Remember what was found for a line, if others like it can be told by their bytes.

        Args:
            line: The line, which is a sound event.
            head: Its head.
            key: Its key.
            found: What to find for lines like it.
        """
        if not self._alike.is_worth_a_try():
            return
        rest = line[head.end() :]
        spans = _spans(rest)
        if spans and self._is_indifferent(line, head, spans, key):
            self._alike.learn(rest, spans, found)

    def _is_indifferent(self, line: bytes, head: re.Match[bytes], spans: Spans, key: bytes) -> bool:
        """Try it with other texts at all places: the key must stay, and the head's texts be the event's own."""
        start = head.end()
        behind = [(start + begin, start + end) for begin, end in spans]
        other = with_others(line, [*map(head.span, _NAMED), *behind])
        fields = orjson.loads(other)
        named = {name: other[slice(*head.span(group))].decode() for group, name in _NAMED.items()}
        return self._key(fields) == key and named.items() <= fields.items()


def _spans(rest: bytes) -> Spans:
    ids = _IDS.search(rest)
    if ids is None:
        return ()
    return (ids.span(1), ids.span(2), *(item.span(1) for item in _SOURCE.finditer(rest, ids.end())))
