"""Leaving out of a reading what another reading shows already.

Invariant: what is left out stands, word for word and behind the same words, in the text that the reading was made from;
what is kept has its neighbours on both sides with it. So no reading of a long text is long only because one word of it
was encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from aisecops_langchain.sanitize.steps import Edit, Locate, Span, edits_trace

_SHORTEST: Final = 400
"""Characters of the shortest text that is worth clipping."""
_LONG_LINE: Final = 300
"""Characters of a line that is taken sentence by sentence."""
_SEPARATORS: Final = (". ", "; ", ", ", "},", '",', ";", ",", "}", ">")
"""What divides a long line, in the order of choice."""
_BESIDE: Final = 200
"""Characters beside what is new that are kept at least."""
_LONGEST_WORD: Final = 40
_WORTH: Final = 0.75
"""What keeps more than this part of a text is not worth while."""
_LONGEST_KEPT: Final = 2_000_000
"""Characters of the longest text that is remembered for a moment."""
_FEW: Final = 3
"""Parts of the smallest text of which some are worth leaving out."""
_MANY: Final = 16
"""Fewer characters for each line are too many lines."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Keeps some parts of a text, each on a line of its own; a step without a name of its own."""

    kept: tuple[Span, ...]
    name: str = ""

    def apply(self, text: str) -> str:
        """Clip; see ``Step.apply``."""
        return "\n".join(text[start:end] for start, end in self.kept)

    def trace(self, text: str) -> Locate:
        """Make the way back; see ``Step.trace``."""
        return edits_trace(self._gaps(len(text)))

    def _gaps(self, length: int) -> Iterator[Edit]:
        last = 0
        for index, (start, end) in enumerate(self.kept):
            yield Edit(last, start, "\n" if index else "")
            last = end
        yield Edit(last, length, "")


def clip(source: str, text: str) -> Clip | None:
    """Find what is new in a reading.

    Args:
        source: What it was made from.
        text: The reading.

    Returns:
        What keeps its new parts and their neighbours, or nothing where that is not worth while. A part is new if it
        does not stand in the source, or not behind the same part.
    """
    if len(source) < _SHORTEST or len(text) < _SHORTEST:
        return None
    known = _remembered(source) if len(source) <= _LONGEST_KEPT else _known(source)
    return _keep(text, lambda before, part: hash((before, part)) not in known) if len(known) >= _FEW else None


def _known(source: str) -> frozenset[int]:
    """Hash each part with the one before it."""
    parts = [source[start:end] for start, end in _segments(source)]
    return frozenset(map(hash, pairwise(("", *parts))))


@lru_cache(maxsize=1)
def _remembered(source: str) -> frozenset[int]:
    """Keep the hashes for a moment: several readings are made from one text."""
    return _known(source)


def clip_near(text: str, spans: Iterable[Span], margin: int) -> Clip | None:
    """Keep what stands near some places.

    Args:
        text: Any text.
        spans: The places, in order.
        margin: Characters to keep on either side of each, and the rest of the word there.

    Returns:
        What keeps them, or nothing where that is not worth while.
    """
    wide = ((_word_start(text, first - margin), _word_end(text, last + margin)) for first, last in spans)
    return _worth(text, merged(wide))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or touch.

    Args:
        spans: The spans, in the order in which they begin.

    Returns:
        Spans that are apart from each other, in order.
    """
    kept: list[Span] = []
    for start, end in spans:
        if kept and start <= kept[-1][1]:
            kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
        else:
            kept.append((start, end))
    return kept


def clip_around(text: str, is_odd: Callable[[str], bool]) -> Clip | None:
    """Find the parts of a text that are odd.

    Args:
        text: Any text.
        is_odd: Tells whether a part is.

    Returns:
        What keeps the odd parts and their neighbours, or nothing where that is not worth while.
    """
    return _keep(text, lambda _, part: is_odd(part)) if len(text) >= _SHORTEST else None


def chunks(text: str, size: int, overlap: int) -> Iterator[Clip]:
    """Divide a long text where its lines end.

    Args:
        text: Any text.
        size: Characters of a part, at most.
        overlap: Characters that neighbouring parts share, at least.

    Yields:
        What keeps one part.
    """
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = max(text.rfind("\n", start + size // 2, end) + 1, text.rfind(" ", start + size // 2, end) + 1) or end
        yield Clip(((start, min(end, len(text))),))
        if end >= len(text):
            return
        start = end - overlap


def _keep(text: str, is_new_part: Callable[[str, str], bool]) -> Clip | None:
    """Keep the parts that are new, judged by the part before each and itself, and those beside them."""
    kept: list[Span] = []
    previous, was_new, before = (0, 0), False, ""
    new, most = 0, len(text) * _WORTH
    for segment in _segments(text):
        part = text[segment[0] : segment[1]]
        is_new = is_new_part(before, part)
        before = part
        if is_new:
            new += segment[1] - segment[0]
            if new > most:
                return None
        if is_new or was_new:
            is_inside = text[segment[0] - 1 : segment[0]] != "\n"  # of a long line, whose parts may be short
            start = previous[0] if is_new else segment[0]
            end = segment[1]
            if is_inside and is_new:
                start = min(start, _word_start(text, segment[0] - _BESIDE))
            elif is_inside:
                end = max(end, _word_end(text, segment[0] + _BESIDE))
            if kept and start <= kept[-1][1] + 2:
                kept[-1] = (kept[-1][0], max(end, kept[-1][1]))
            else:
                kept.append((start, end))
        previous, was_new = segment, is_new
    return _worth(text, kept)


def _worth(text: str, kept: list[Span]) -> Clip | None:
    size = sum(end - start for start, end in kept)
    return Clip(tuple(kept)) if size < len(text) * _WORTH else None


def _word_start(text: str, position: int) -> int:
    """Go back to a space, if there is one near."""
    space = text.rfind(" ", max(0, position - _LONGEST_WORD), max(0, position))
    return max(0, position if space < 0 else space + 1)


def _word_end(text: str, position: int) -> int:
    """Go on to a space, if there is one near."""
    space = text.find(" ", position, position + _LONGEST_WORD)
    return min(len(text), position if space < 0 else space)


def _segments(text: str) -> Iterator[Span]:
    """Yield lines, and the parts of long lines."""
    if text.count("\n") * _MANY > len(text):
        yield 0, len(text)
        return
    start = 0
    for line in text.split("\n"):
        separator = _separator(line) if len(line) > _LONG_LINE else ""
        if separator:
            for part in line.split(separator):
                yield start, start + len(part)
                start += len(part) + len(separator)
            start += 1 - len(separator)
        else:
            yield start, start + len(line)
            start += len(line) + 1


def _separator(line: str) -> str:
    """Choose what divides a long line into parts that are neither long nor many: sentences first."""
    for separator in _SEPARATORS:
        many = line.count(separator)
        if many * _LONG_LINE > len(line) > many * _MANY:
            return separator
    return ". " if line.count(". ") * _MANY < len(line) else ""
