r"""Where the words of a pattern begin.

Invariant: where a pattern is cut, a word begins in whatever it matches, so that ``\b`` may stand for all before it.

Many patterns begin where a sentence or a request may begin, at one of many signs or common words. For an automaton that
looks for all of them at once it is much cheaper to begin where a word does.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from aisecops_langchain.sanitize.pattern_syntax import Choice, Group, Kind, Place, Repeat, Sequel, Text, Tree
from aisecops_langchain.sanitize.patterns import compile_pattern

_WORD: Final = string.ascii_letters + string.digits + "_"
_PLACES: Final = frozenset({"^", r"\b", r"\A"})


def word_starts(items: Sequence[Tree]) -> Iterator[int]:
    r"""Find where a word of ASCII begins, whatever the items match.

    Args:
        items: What a pattern matches, one after the other.

    Yields:
        Positions of items before which ``\b`` matches, ascending; never the first one.
    """
    parted = False
    for index, item in enumerate(items[:-1], start=1):
        parted = _parts(item) or (parted and _keeps_parted(item))
        if parted and _begins_word(items[index:]):
            yield index


def _parts(tree: Tree) -> bool:
    """Tell whether a letter that follows a match of it begins a word."""
    match tree:
        case Place(source):
            parts = source in _PLACES
        case Kind(source):
            parts = not _has_word_characters(source)
        case Text(_, text):
            parts = text[-1] not in _WORD and text.isascii()
        case Group(_, inner):
            parts = _parts(inner)
        case Repeat(item, _, least, _):
            parts = least > 0 and _parts(item)
        case Choice(branches):
            parts = all(map(_parts, branches))
        case Sequel(items):
            parts = any(_parts(item) and all(map(_keeps_parted, items[at + 1 :])) for at, item in enumerate(items))
    return parts


def _keeps_parted(tree: Tree) -> bool:
    """Tell whether the same holds where a word could have begun before the match already, which may be empty."""
    match tree:
        case Group(_, inner):
            keeps = _keeps_parted(inner)
        case Repeat(item):
            keeps = _keeps_parted(item)
        case Choice(branches):
            keeps = all(map(_keeps_parted, branches))
        case Sequel(items):
            keeps = all(map(_keeps_parted, items)) or _parts(tree)
        case _:
            keeps = _parts(tree)
    return keeps


def _begins_word(items: Sequence[Tree]) -> bool:
    """Tell whether all that items match begins with a letter or digit of ASCII."""
    for item in items:
        if not _begins(item):
            return False
        if not (isinstance(item, Repeat) and item.least == 0):
            return True
    return False


def _begins(tree: Tree) -> bool:
    match tree:
        case Text(_, text):
            begins = text[0] in _WORD
        case Group(_, inner):
            begins = _begins(inner)
        case Repeat(item):
            begins = _begins(item)
        case Choice(branches):
            begins = all(map(_begins, branches))
        case Sequel(items):
            begins = _begins_word(items)
        case _:
            begins = False
    return begins


@lru_cache(maxsize=1024)
def _has_word_characters(source: str) -> bool:
    return compile_pattern(source).search(_WORD) is not None
