"""Reading patterns in the syntax of google-re2, as far as is needed to say what their matches hold.

Invariant: the source of a tree is the pattern, character by character. What is not understood is refused, never
guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<text>[^\\()\[\]|*+?{}.^$]+(?![*+?{]))
    |(?P<open>\((?:\?(?:P?<\w+>|[a-zA-Z]*(?:-[a-zA-Z]+)?:))?(?!\?))
    |(?P<close>\))
    |(?P<either>\|)
    |(?P<count>[*+?]\??|\{(?P<least>\d+)(?P<comma>,)?(?P<most>\d*)\}\??)
    |(?P<place>\\[bBAz]|[\^$])
    |(?P<members>\[\^?\]?(?:\[:\^?\w+:\]|\\[pP]\{\^?\w+\}|\\x\{[0-9a-fA-F]+\}|\\.|[^\]\\])*\])
    |(?P<kind>\\[sSdDwW]|\\[pP](?:\{\^?\w+\}|[A-Z])|\.)
    |(?P<character>\\x(?:\{[0-9a-fA-F]+\}|[0-9a-fA-F]{2})|\\[^\w\s]|\\[nrtfva]|\\\s|[^\\])
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a"}


class UnclearPatternError(Exception):
    """A pattern says something that is not understood here."""


@dataclass(slots=True)
class Place:
    """A place between characters, such as the beginning of a word."""

    source: str


@dataclass(slots=True)
class Kind:
    """One character of many: a class, or ``.``."""

    source: str


@dataclass(slots=True)
class Text:
    """Characters, each for itself."""

    source: str
    text: str


@dataclass(slots=True)
class Group:
    """Brackets."""

    opening: str
    inner: Tree

    @property
    def source(self) -> str:
        """The pattern that it was read from."""
        return f"{self.opening}{self.inner.source})"


@dataclass(slots=True)
class Repeat:
    """Something several times."""

    item: Tree
    count: str
    least: int
    most: int | None

    @property
    def source(self) -> str:
        """The pattern that it was read from."""
        return self.item.source + self.count


@dataclass(slots=True)
class Sequel:
    """Things one after the other."""

    items: Sequence[Tree]

    @property
    def source(self) -> str:
        """The pattern that it was read from."""
        return "".join(item.source for item in self.items)


@dataclass(slots=True)
class Choice:
    """One of several things."""

    branches: Sequence[Tree]

    @property
    def source(self) -> str:
        """The pattern that it was read from."""
        return "|".join(branch.source for branch in self.branches)


Tree = Place | Kind | Text | Group | Repeat | Sequel | Choice


@lru_cache(maxsize=1024)
def read_pattern(pattern: str) -> Tree:
    """Read a pattern.

    Args:
        pattern: A pattern that google-re2 accepts.

    Returns:
        The pattern as a tree.

    Raises:
        UnclearPatternError: If it says something that is not understood here.
    """
    reader = _Reader(pattern)
    tree = reader.choice()
    if reader.kind is not None:
        raise UnclearPatternError
    return tree


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._tokens = list(_tokens(pattern))
        self._at = 0

    @property
    def kind(self) -> str | None:
        """What stands next."""
        return self._tokens[self._at].lastgroup if self._at < len(self._tokens) else None

    def choice(self) -> Tree:
        branches = [self._sequel()]
        while self.kind == "either":
            self._take()
            branches.append(self._sequel())
        return branches[0] if len(branches) == 1 else Choice(branches)

    def _take(self) -> re.Match[str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _sequel(self) -> Tree:
        items: list[Tree] = []
        while self.kind not in (None, "either", "close"):
            item = self._item()
            while self.kind == "count":
                item = _repeat(item, self._take())
            items.append(item)
        return Sequel(items)

    def _item(self) -> Tree:
        token = self._take()
        source = token[0]
        match token.lastgroup:
            case "open":
                inner = self.choice()
                if self.kind != "close":
                    raise UnclearPatternError
                self._take()
                return Group(source, inner)
            case "place":
                return Place(source)
            case "members" | "kind":
                return Kind(source)
            case "text":
                return Text(source, source)
            case "character":
                return Text(source, _character(source))
            case _:
                raise UnclearPatternError


def _tokens(pattern: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            raise UnclearPatternError
        yield token
        at = token.end()


def _character(source: str) -> str:
    if not source.startswith("\\"):
        return source
    if source[1] == "x":
        return chr(int(source[2:].strip("{}"), 16))
    return _NAMED.get(source[1], source[1])


def _repeat(item: Tree, count: re.Match[str]) -> Repeat:
    sign = count[0][0]
    if sign != "{":
        return Repeat(item, count[0], int(sign == "+"), 1 if sign == "?" else None)
    least = int(count["least"])
    most = least if not count["comma"] else int(count["most"]) if count["most"] else None
    return Repeat(item, count[0], least, most)
