"""Whether a pattern looks at what folding takes away: the marks of emphasis, and how wide white space is.

Invariant: where a pattern looks at none of it and matches a text whose marks stand at the edges of words, it matches
the folded text too. The one exception is a word of nothing but marks, which is none to a reader either.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

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
from aisecops_langchain.sanitize.patterns import compile_pattern

_MARK: Final = re.compile(r"[*~`]|(?<!\\)_")
_WIDE: Final = re.compile(r"\s\s|\t")
_WITHIN_WORDS: Final = compile_pattern(r"[0-9\pL][*~`]+[0-9\pL]")


def heeds_marks(source: str) -> bool:
    """Tell whether a pattern may match a text and not the same text folded.

    Args:
        source: A pattern in re2 syntax.

    Returns:
        Whether it names a mark of emphasis or counts white space; true where the pattern is not understood.
    """
    try:
        return _heeds(read_pattern(source))
    except UnclearPatternError:
        return True


def marks_part_words(text: str) -> bool:
    """Tell whether marks of emphasis stand between two letters, so that without them two words may be one.

    Args:
        text: Any text.

    Returns:
        Whether they do.
    """
    return _WITHIN_WORDS.search(text.encode()) is not None


def _heeds(tree: Tree) -> bool:
    match tree:
        case Text(_, text):
            heeds = _MARK.search(text) is not None or _WIDE.search(text) is not None
        case Kind(source):
            heeds = source.startswith("[") and not source.startswith("[^") and _MARK.search(source) is not None
        case Group(_, inner):
            heeds = _heeds(inner)
        case Repeat(item, _, least, _):
            heeds = _heeds(item) or (least > 1 and _is_space(item))
        case Choice(branches):
            heeds = any(map(_heeds, branches))
        case Sequel(items):
            neighbours = any(_is_space(first) and _is_space(second) for first, second in pairwise(items))
            heeds = neighbours or any(map(_heeds, items))
        case Place():
            heeds = False
    return heeds


def _is_space(tree: Tree) -> bool:
    """Tell whether there must be white space, and nothing else."""
    match tree:
        case Text(_, text):
            return text.isspace()
        case Kind(source):
            return source == r"\s"
        case Group(_, Sequel([item])):
            return _is_space(item)
        case Repeat(item, _, least, _):
            return least > 0 and _is_space(item)
        case _:
            return False
