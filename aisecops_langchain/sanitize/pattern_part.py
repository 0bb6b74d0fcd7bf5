r"""The part of a pattern that is looked for first: what no match can be without, and what an automaton finds cheaply.

Invariant: every match of a pattern holds a match of its part, in the same place of the same text, if that text spells k
and s as patterns do. Where a pattern says something that is not understood here, the part is the whole pattern.

A pattern such as ``\bsay\b[^\n]{0,50}\bpwned\b`` waits: having seen ``say``, it heeds every character until something
else follows. Many patterns that wait, each for itself, multiply the states of an automaton that looks for all of them
at once. Its part is ``\bpwned\b``, which waits for nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.pattern_start import word_starts
from aisecops_langchain.sanitize.pattern_syntax import (
    Choice,
    Group,
    Kind,
    Place,
    Repeat,
    Sequel,
    Text,
    Tree,
    UnclearPatternError,
    read_pattern,
)

OVER_LINES: Final = r"(?:(?:\r?\n)?"
"""How a class begins that may stand in the next line as well."""

_COUNTER: Final = re.compile(r"(?<!\\)\{(\d+),(\d+)\}")
_SHORT_COUNT: Final = 3
"""The most repetitions that stay counted, and that are no reason to wait."""
_WIDE_MINIMUM: Final = 8
_SYNTAX: Final = re.compile(r"\\[bs]|[?]")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_COMMON: Final = frozenset(
    """
    a about after all also an and any are as at be before but by can do each for from ftp get have he http https if in
    into is it its just know let like made make may me more most must my new no not now of on one only or other our out
    over people say see send set should so some such take than that the their them then there these they this those
    time to up use was way we well were what when which who will with work would www you your
    """.split()  # noqa: SIM905 - a list of words
)
_ANYTHING: Final = frozenset({".", r"\S", r"\D", r"\W", r"\w"})
_LETTER: Final = 1.6
"""How telling one character is: the negative logarithm of the share of places in honest text where it stands."""
_FEW: Final = 1.0
_BROAD: Final = 0.1
_COMMON_WORD: Final = 1.2
_MOST: Final = 40.0
_LIGHT: Final = 2.5
"""Weight of a beginning that a part can do without: many of those make an automaton slow and tell it little."""
_ENOUGH: Final = 4.0


class Part(NamedTuple):
    """A part of a pattern."""

    source: str
    weight: float
    """How telling it is: the natural logarithm of how many places of honest text there are for one match, or so."""
    foreign: bool = False
    """Whether the pattern matches no text that is all ASCII."""


class _Piece(NamedTuple):
    """What is known of a piece of a pattern."""

    source: str
    weight: float
    best: Part | None
    """Itself, if nothing in it waits."""
    waits: bool = False
    foreign: bool = False


@lru_cache(maxsize=4096)
def telling_part(pattern: str) -> Part:
    """Choose what is looked for first.

    Args:
        pattern: A pattern in re2 syntax.

    Returns:
        The most telling part that does not wait, its counters widened; or the whole pattern.
    """
    try:
        piece = _piece(read_pattern(pattern))
    except UnclearPatternError:
        return Part(_widened(pattern), 0.0)
    part = piece.best or Part(pattern, 0.0)
    return Part(_widened(part.source), part.weight, piece.foreign)


def _widened(source: str) -> str:
    """Replace ``{a,b}`` by ``{min(a, 8),}`` unless it is short: bounded counters multiply the automaton's states."""

    def widen(counter: re.Match[str]) -> str:
        least, most = int(counter[1]), int(counter[2])
        return counter[0] if most <= _SHORT_COUNT else f"{{{min(least, _WIDE_MINIMUM)},}}"

    return _COUNTER.sub(widen, source)


def _piece(tree: Tree) -> _Piece:
    match tree:
        case Place(source):
            piece = _whole(source, _FEW if source == r"\b" else 0.0)
        case Kind(source):
            piece = _whole(source, _BROAD if source in _ANYTHING or _holds_spaces(source) else _FEW)
        case Text(source, text):
            piece = _whole(source, _LETTER * len(text), foreign=not text.casefold().isascii())
        case Group(opening, inner):
            piece = _piece(inner)
            best = piece.best and piece.best._replace(source=f"{opening}{piece.best.source})")
            piece = piece._replace(source=f"{opening}{piece.source})", best=best)
        case Repeat():
            piece = _repeated(tree, _piece(tree.item))
        case Choice(branches):
            piece = _either([_piece(branch) for branch in branches])
        case Sequel(items):
            pieces = [_piece(item) for item in items]
            piece = _joined(pieces)
            first = _telling_word(items, pieces)
            if first:
                piece = piece._replace(best=_joined([_whole(r"\b", _FEW), *pieces[first:]]).best)
    return piece


def _telling_word(items: Sequence[Tree], pieces: Sequence[_Piece]) -> int:
    """Return where a word begins that honest text seldom holds, if there is enough without what stands before it."""
    starts = list(word_starts(items))
    weights = [_weighed(piece.source, piece.weight) for piece in pieces] if starts else []
    return max((at for at in starts if sum(weights[:at]) < _LIGHT and sum(weights[at:]) >= _ENOUGH), default=0)


def _whole(source: str, weight: float, *, foreign: bool = False) -> _Piece:
    return _Piece(source, weight, Part(source, weight), foreign=foreign)


def _either(branches: Sequence[_Piece]) -> _Piece:
    """Take one of several branches: it is as telling as they are together."""
    source, foreign = "|".join(branch.source for branch in branches), all(branch.foreign for branch in branches)
    weight = _together(_weighed(branch.source, branch.weight) for branch in branches)
    parts = [branch.best for branch in branches if branch.best is not None]
    if [part.source for part in parts] == [branch.source for branch in branches]:
        best: Part | None = Part(source, weight)
    else:
        together = Part("|".join(f"(?:{part.source})" for part in parts), _together(part.weight for part in parts))
        best = together if len(parts) == len(branches) else None
    return _Piece(source, weight, best, waits=any(branch.waits for branch in branches), foreign=foreign)


def _joined(items: Sequence[_Piece]) -> _Piece:
    """Put items one after the other: what stands between two that wait is one part."""
    source, weight = "".join(item.source for item in items), sum(item.weight for item in items)
    foreign = any(item.foreign for item in items)
    if not any(item.waits for item in items):
        return _whole(source, weight, foreign=foreign)
    found: list[Part] = []
    for waits, run in groupby(items, key=lambda item: item.waits):
        if waits:
            found += (item.best for item in run if item.best is not None)
        else:
            found.append(_run(list(run)))
    best = max(found, key=lambda part: part.weight, default=None)
    return _Piece(source, weight, best, waits=True, foreign=foreign)


def _run(items: Sequence[_Piece]) -> Part:
    source = "".join(item.source for item in items)
    return Part(source, _weighed(source, sum(item.weight for item in items)))


def _weighed(source: str, weight: float) -> float:
    """Weigh words that stand in most texts little, however long they are."""
    words = _LETTERS.findall(_SYNTAX.sub("", source))
    return _COMMON_WORD * len(words) if words and _COMMON.issuperset(words) else weight


def _together(weights: Iterable[float]) -> float:
    return -math.log(sum(math.exp(-min(weight, _MOST)) for weight in weights) or 1.0)


def _repeated(repeat: Repeat, piece: _Piece) -> _Piece:
    """Repeat a piece as often as a counter says."""
    source, needed = piece.source + repeat.count, repeat.least > 0
    weight, foreign = piece.weight if needed else 0.0, piece.foreign and needed
    if (repeat.most is None or repeat.most > _SHORT_COUNT) and _holds_spaces(piece.source):
        return _Piece(source, weight, None, waits=True, foreign=foreign)
    if piece.waits:
        return _Piece(source, weight, piece.best if needed else None, waits=True, foreign=foreign)
    return _whole(source, weight, foreign=foreign)


def _holds_spaces(source: str) -> bool:
    """Tell whether something stands for almost any character, white space too."""
    if source == ".":
        return True
    source = source.removeprefix(OVER_LINES)
    if not source.startswith("["):
        return False
    spaces = r"\s" in source or " " in source
    return not spaces if source.startswith("[^") else spaces and r"\w" in source
