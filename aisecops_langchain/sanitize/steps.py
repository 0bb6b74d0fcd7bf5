"""Steps from one text to another reading of it, each with the way back.

Invariant: a step is a pure function of its text, and its trace says for every span of the result which span of the
text it came from: at least the whole of what was decoded. Traces are made only where something matched, since most
texts match nothing, and they cost a few bytes for each change, however many there are.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

Span = tuple[int, int]
"""Offset of the first character, and offset behind the last."""
Locate = Callable[[int, int], Span]
"""From a non-empty span of a reading to a span of what it was made from."""


_LONG: Final = 65_536
"""Characters of texts in which changes are made one by one."""
_MANY_PIECES: Final = 4_096


class Edit(NamedTuple):
    """Characters that are replaced."""

    start: int
    end: int
    text: str
    """What stands in their place."""


class Step(Protocol):
    """One way to read a text."""

    @property
    def name(self) -> str:
        """What the reading is called in findings."""
        ...

    def apply(self, text: str) -> str:
        """Make the reading; the text itself if there is nothing to read differently."""
        ...

    def trace(self, text: str) -> Locate:
        """Make the way back from the reading of this text."""
        ...


@dataclass(frozen=True, slots=True)
class Substitution:
    """Replaces every match of a pattern by what it decodes to."""

    name: str
    pattern: re.Pattern[str]
    decode: Callable[[re.Match[str]], str]
    """Returns the match itself where it decodes to nothing."""

    def apply(self, text: str) -> str:
        """Decode; see ``Step.apply``."""
        if len(text) <= _LONG:
            return self.pattern.sub(self.decode, text)
        return apply_edits(text, self._edits(text))

    def trace(self, text: str) -> Locate:
        """Make the way back; see ``Step.trace``."""
        return edits_trace(self._edits(text))

    def _edits(self, text: str) -> Iterator[Edit]:
        """Yield the matches one by one, which takes longer than ``re.sub`` but much less memory."""
        for match in self.pattern.finditer(text):
            yield Edit(match.start(), match.end(), self.decode(match))


@dataclass(frozen=True, slots=True)
class Editing:
    """Replaces what a function finds."""

    name: str
    edits: Callable[[str], Iterator[Edit]]
    """Yields edits in order, none overlapping."""

    def apply(self, text: str) -> str:
        """Edit; see ``Step.apply``."""
        return apply_edits(text, self.edits(text))

    def trace(self, text: str) -> Locate:
        """Make the way back; see ``Step.trace``."""
        return edits_trace(self.edits(text))


@dataclass(frozen=True, slots=True)
class Extraction:
    """Keeps only what a function finds, each on a line of its own."""

    name: str
    edits: Callable[[str], Iterator[Edit]]
    """Yields what is kept, and what it reads as, in order."""

    def apply(self, text: str) -> str:
        """Extract; see ``Step.apply``."""
        return "\n".join(edit.text for edit in self.edits(text))

    def trace(self, text: str) -> Locate:
        """Make the way back; see ``Step.trace``."""
        return edits_trace(_only(self.edits(text)))


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Replaces character by character."""

    name: str
    table: dict[int, int]

    def apply(self, text: str) -> str:
        """Translate; see ``Step.apply``."""
        return text.translate(self.table)

    def trace(self, text: str) -> Locate:  # noqa: ARG002 - every text alike
        """Make the way back; see ``Step.trace``."""
        return same_span


@dataclass(frozen=True, slots=True)
class Backwards:
    """Reads from the end."""

    name: str = "reversed"

    def apply(self, text: str) -> str:
        """Reverse; see ``Step.apply``."""
        return text[::-1]

    def trace(self, text: str) -> Locate:
        """Make the way back; see ``Step.trace``."""
        length = len(text)
        return lambda start, end: (length - end, length - start)


class Path:
    """Several steps, one after the other.

    Args:
        source: The text that they start from.
        steps: The steps; those that change nothing leave no mark.
    """

    def __init__(self, source: str, steps: Sequence[Step]) -> None:
        taken: list[Step] = []
        text = source
        for step in steps:
            read = step.apply(text)
            if read != text:
                taken.append(step)
                text = read
        self.text = text
        """The last reading."""
        self.taken = tuple(taken)
        """The steps that changed something."""


def way_back(source: str, steps: Sequence[Step]) -> list[Locate]:
    """Make the way back from the last reading, which keeps none of the readings.

    Args:
        source: The text that the steps start from.
        steps: The steps, as for ``Path``.

    Returns:
        What leads a span back through one step each, the last step first.
    """
    traces: list[Locate] = []
    text = source
    for index, step in enumerate(steps):
        traces.append(step.trace(text))
        if index < len(steps) - 1:
            text = step.apply(text)
    return traces[::-1]


def same_span(start: int, end: int) -> Span:
    """Return a span as it is."""
    return start, end


def apply_edits(text: str, edits: Iterator[Edit]) -> str:
    """Change a text.

    Args:
        text: The text.
        edits: What to replace, in order, none overlapping.

    Returns:
        The changed text.
    """
    pieces: list[str] = []
    last = 0
    for edit in edits:
        pieces += (text[last : edit.start], edit.text)
        last = edit.end
        if len(pieces) > _MANY_PIECES:  # small pieces take more memory than what they say
            pieces = ["".join(pieces)]
    return "".join((*pieces, text[last:])) if last else text


def edits_trace(edits: Iterator[Edit]) -> Locate:
    """Make the way back through edits.

    Args:
        edits: What was replaced, in order, none overlapping.

    Returns:
        The way back: what lies inside a replacement comes from all of what it replaced.
    """
    starts, ends, begins, finishes = array("I"), array("I"), array("I"), array("I")
    shift = 0
    for start, end, text in edits:
        starts.append(start)
        ends.append(end)
        begins.append(start + shift)
        finishes.append(start + shift + len(text))
        shift += len(text) - (end - start)

    def locate(start: int, end: int) -> Span:
        first, last = bisect_right(begins, start) - 1, bisect_right(begins, end - 1) - 1
        return _before(first, start), _behind(last, end - 1)

    def _before(index: int, position: int) -> int:
        if index < 0:
            return position
        return starts[index] if position < finishes[index] else ends[index] + position - finishes[index]

    def _behind(index: int, position: int) -> int:
        if index < 0:
            return position + 1
        return ends[index] if position < finishes[index] else ends[index] + position - finishes[index] + 1

    return locate


def _only(kept: Iterator[Edit]) -> Iterator[Edit]:
    """Turn what is kept into edits: everything between two of them becomes one line break."""
    last = 0
    for index, edit in enumerate(kept):
        yield Edit(last, edit.start, "\n" if index else "")
        yield edit
        last = edit.end
