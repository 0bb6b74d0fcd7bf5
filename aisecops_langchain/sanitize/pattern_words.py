"""Words that must stand in a text for a pattern to match it.

Invariant: the answer is necessary, never sufficient; where nothing is known, nothing is required. Words and texts are
compared in ``str.casefold``, which makes alike whatever patterns take for alike without regard to case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.pattern_syntax import (
    Choice,
    Group,
    Place,
    Repeat,
    Sequel,
    Text,
    Tree,
    UnclearPatternError,
    read_pattern,
)

SHORTEST: Final = 3
"""Characters of the shortest word that is worth looking for."""
_MOST_WORDS: Final = 64
"""Words that are spelt out by joining others."""


class _Needs(NamedTuple):
    """What is known of a piece of a pattern."""

    exact: frozenset[str] | None
    """All that it can match, if that is little."""
    sets: tuple[frozenset[str], ...] = ()
    """Of each of these, every match holds one word."""

    @property
    def all_sets(self) -> tuple[frozenset[str], ...]:
        return (*self.sets, self.exact) if self.exact and _is_telling(self.exact) else self.sets


_ANYTHING: Final = _Needs(None)


@lru_cache(maxsize=4096)
def needed_words(pattern: str) -> tuple[frozenset[str], ...]:
    """Say what must stand in a text for a pattern to match it.

    Args:
        pattern: A pattern in re2 syntax.

    Returns:
        Sets of words, the most telling first; the text, casefolded, holds one word of each. None if nothing is known.
    """
    try:
        needs = _needs(read_pattern(pattern))
    except UnclearPatternError:
        return ()
    return tuple(sorted(dict.fromkeys(needs.all_sets), key=_telling, reverse=True))


def _needs(tree: Tree) -> _Needs:
    match tree:
        case Place():
            needs = _Needs(frozenset({""}))
        case Text(_, text):
            needs = _Needs(frozenset({text.casefold()}))
        case Group(_, inner):
            needs = _needs(inner)
        case Choice(branches):
            needs = _either([_needs(branch) for branch in branches])
        case Sequel(items):
            needs = _joined([_needs(item) for item in items])
        case Repeat():
            needs = _repeated(tree, _needs(tree.item))
        case _:
            needs = _ANYTHING
    return needs


def _repeated(repeat: Repeat, item: _Needs) -> _Needs:
    if repeat.least == 0:
        return _Needs(item.exact | {""}) if repeat.most == 1 and item.exact is not None else _ANYTHING
    return item if repeat.most == 1 else _Needs(None, item.all_sets)


def _either(branches: Sequence[_Needs]) -> _Needs:
    """Take one of several branches: of each that is not spelt out, its most telling set."""
    if all(branch.exact is not None for branch in branches):
        return _Needs(frozenset(word for branch in branches for word in branch.exact or ()))
    known = [max(branch.all_sets, key=_telling) for branch in branches if branch.all_sets]
    return _Needs(None, (frozenset().union(*known),) if len(known) == len(branches) else ())


def _joined(items: Iterable[_Needs]) -> _Needs:
    """Put items one after the other: words of neighbours become longer words."""
    run, sets, whole = _Needs(frozenset({""})), list[frozenset[str]](), True
    for item in items:
        sets += item.sets
        size = len(run.exact or ()) * len(item.exact or ())
        if run.exact is not None and item.exact is not None and size <= max(_MOST_WORDS, len(item.exact)):
            run = _Needs(frozenset(first + second for first, second in product(run.exact, item.exact)))
        else:
            sets += run.all_sets
            run, whole = _Needs(item.exact), False
    return _Needs(run.exact, tuple(sets)) if whole else _Needs(None, (*sets, *run.all_sets))


def _is_telling(words: frozenset[str]) -> bool:
    return all(len(word) >= SHORTEST for word in words)


def _telling(words: frozenset[str]) -> tuple[int, int]:
    """Judge a set by its shortest word, and by how few there are."""
    return min(map(len, words)), -len(words)
