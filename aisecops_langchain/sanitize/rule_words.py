"""The words that rules look for, and whether a text writes one of them in a way that hides it.

Invariant: what is turned away here breaks or respells no word of a rule, so that reading it in another way would show
nothing new. Version numbers and wrapped lines are in most honest text, and reading all of it again takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from aisecops_langchain.sanitize.fold import fold
from aisecops_langchain.sanitize.long_words import LONGEST, begins_with_address
from aisecops_langchain.sanitize.respell import LEETSPEAK, LEETSPEAK_L, REVERSED, ROT13
from aisecops_langchain.sanitize.rules import core_rules
from aisecops_langchain.sanitize.steps import Path

SHORTEST_WORD: Final = 4
"""Shorter words come about by chance."""
_WORD: Final = re.compile(rf"[^\W\d_]{{{SHORTEST_WORD},}}")
_TAG: Final = re.compile(r"</?\w{1,9}>")
"""An element, whose name may have been respelt as well."""
_LONGEST_SIGNED: Final = 24
_SIGN: Final = re.compile(r"[^\W\d_][013457@$!|]|[013457@$!|][^\W\d_]")
_CUT: Final = 2
"""So many lines in a row of the same length as the one before were cut, not wrapped."""
_AROUND: Final = ".,;:!?\"'()[]{}<>*_"
_UNSPACED: Final = "\u2e7f"
"""Beyond this are the scripts of East Asia, in which a line may end anywhere in a sentence."""


@cache
def words_of_rules() -> frozenset[str]:
    """Collect the words that attacks are made of.

    Returns:
        The words of the core rules' examples, and of their patterns, in small letters.
    """
    texts = (text for rule in core_rules().rules for text in (*map(fold, rule.match), *rule.sources()))
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def broken_words(text: str) -> Iterator[int]:
    """Find the line ends that may stand inside a word that a rule looks for.

    Args:
        text: A text in the detection alphabet.

    Yields:
        Offsets of line breaks: of those between the two parts of such a word, between letters of scripts that have no
        spaces, and between lines that were cut, since they are of one length.
    """
    words = words_of_rules()
    before, length, alike, end = "", 0, 0, -1
    for line in text.split("\n"):
        alike = alike + 1 if len(line) == length and line[:1].isalnum() and not _is_entry(line) else 0
        after = line.partition(" ")[0]
        joins = before[-1:].isalnum() and after[:1].isalnum()
        if (
            alike >= _CUT
            or (joins and (before + after).strip(_AROUND).casefold() in words)
            or (joins and before[-1] > _UNSPACED < after[0])
        ):
            yield end
        length = len(line)
        end += length + 1
        before = line[line.rfind(" ") + 1 :].rstrip("\r-")


def leet_words(text: str) -> list[str]:
    """Find words that may be ones that a rule looks for, written with digits and signs.

    Args:
        text: A text in the detection alphabet.

    Returns:
        The words as they are written, without the elements inside them.
    """
    words = (word.strip(_AROUND) for word in _TAG.sub("", text).split() if len(word) <= _LONGEST_SIGNED)
    written = list({word: None for word in words if _SIGN.search(word)})
    read = [Path(" ".join(written), steps).text for steps in (LEETSPEAK, LEETSPEAK_L)]
    forms = [text.casefold().split() for text in (*read, *map(ROT13.apply, read))]
    forms += [REVERSED.apply(text).casefold().split()[::-1] for text in read]
    return [word for word, *spelt in zip(written, *forms, strict=True) if not words_of_rules().isdisjoint(spelt)]


def _is_entry(line: str) -> bool:
    """Tell codes and addresses, of which lists have one on each line, from lines that were cut."""
    return (len(line) > LONGEST and " " not in line) or begins_with_address(line)
