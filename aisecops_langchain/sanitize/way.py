"""Texts on the way from the raw text to a reading, and the way back from each.

Invariant: a way back is made when it is first asked for, since most readings hold nothing that is to be located.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.fold import skeleton, skeleton_trace
from aisecops_langchain.sanitize.normalize import normalize, strip_trace
from aisecops_langchain.sanitize.steps import Locate, Span, Step, way_back


class Base(NamedTuple):
    """A text that steps start from, and the way back from it."""

    text: str
    span: Locate
    steps: tuple[str, ...]

    def then(self, text: str, step: Step) -> Base:
        """Return what one step makes of it.

        Args:
            text: What the step made.
            step: The step.

        Returns:
            The text with its way back: this one, if nothing changed.
        """
        return self if text is self.text else Base(text, Way(self, (step,)).span, (*self.steps, step.name))


class Way:
    """The way from a reading back to the raw text.

    Args:
        base: The text that it was made from.
        steps: How.
    """

    __slots__ = ("_back", "_base", "_steps")

    def __init__(self, base: Base, steps: Sequence[Step]) -> None:
        self._base = base
        self._steps = steps
        self._back: list[Locate] | None = None

    def span(self, start: int, end: int) -> Span:
        """Return where a span of the reading comes from.

        Args:
            start: Offset of its first character.
            end: Offset behind its last one.

        Returns:
            The span of the raw text.
        """
        if self._back is None:
            self._back = way_back(self._base.text, self._steps)
        for locate in self._back:
            start, end = locate(start, end)
        return self._base.span(start, end)


@dataclass(frozen=True, slots=True)
class _Strip:
    """Takes invisible characters out."""

    name: str = "stripped"

    def apply(self, text: str) -> str:
        return normalize(text).text

    def trace(self, text: str) -> Locate:
        return strip_trace(text)


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """Writes a text in the detection alphabet."""

    name: str = "look-alikes"

    def apply(self, text: str) -> str:
        return skeleton(text)

    def trace(self, text: str) -> Locate:
        return skeleton_trace(text)


STRIP: Final = _Strip()
SKELETON: Final = _Skeleton()
