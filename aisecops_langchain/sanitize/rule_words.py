"""The words that rules look for, and whether a text writes one of them in a way that hides it.

Invariant: what is turned away here breaks or respells no word of a rule, so that reading it in another way would show
nothing new. Version numbers and wrapped lines are in most honest text, and reading all of it again takes long.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from aisecops_langchain.sanitize.fold import fold
from aisecops_langchain.sanitize.long_words import LONGEST
from aisecops_langchain.sanitize.respell import LEETSPEAK, LEETSPEAK_L, REVERSED, ROT13
from aisecops_langchain.sanitize.rules import core_rules
from aisecops_langchain.sanitize.steps import Path

_WORD: Final = re.compile(r"[^\W\d_]{4,}")
"""Shorter words come about by chance."""
_TAG: Final = re.compile(r"</?\w{1,9}>")
"""An element, whose name may have been respelt as well."""
_LONGEST_SIGNED: Final = 24
_SIGN: Final = re.compile(r"[^\W\d_][013457@$!|]|[013457@$!|][^\W\d_]")
_CUT: Final = 2
"""So many lines in a row of the same length as the one before were cut, not wrapped."""
_AROUND: Final = ".,;:!?\"'()[]{}<>*_"
_UNSPACED: Final = "\u2e7f"
"""Beyond this are the scripts of East Asia, in which a line may end anywhere in a sentence."""


def breaks_words(text: str) -> bool:
    """Tell whether some line may end inside a word that a rule looks for.

    Args:
        text: A text in the detection alphabet.

    Returns:
        False only if what stands on both sides of every line break is no such word, and lines differ in length.
    """
    words = _words()
    before, length, alike = "", 0, 0
    for line in text.split("\n"):
        alike = alike + 1 if len(line) == length and line[:1].isalnum() and not _is_code(line) else 0
        if alike == _CUT:
            return True
        length = len(line)
        after = line.partition(" ")[0]
        if before[-1:].isalnum() and after[:1].isalnum():
            if (before + after).strip(_AROUND).casefold() in words:
                return True
            if before[-1] > _UNSPACED < after[0]:
                return True
        before = line[line.rfind(" ") + 1 :].rstrip("\r-")
    return False


def holds_leetspeak(text: str) -> bool:
    """Tell whether some word may be one that a rule looks for, written with digits and signs.

    Args:
        text: A text in the detection alphabet.

    Returns:
        False only if no word turns into such a word.
    """
    words = (word.strip(_AROUND) for word in _TAG.sub("", text).split() if len(word) <= _LONGEST_SIGNED)
    written = " ".join({word: None for word in words if _SIGN.search(word)})
    read = [Path(written, steps).text for steps in (LEETSPEAK, LEETSPEAK_L)]
    turned = [step.apply(text) for text in read for step in (ROT13, REVERSED)]
    return any(not _words().isdisjoint(text.casefold().split()) for text in (*read, *turned))


@cache
def _words() -> frozenset[str]:
    """Return the words that attacks are made of: those of the core rules' examples, and of their patterns."""
    texts = (text for rule in core_rules().rules for text in (*map(fold, rule.match), *rule.sources()))
    return frozenset(word for text in texts for word in _WORD.findall(text.casefold()))


def _is_code(line: str) -> bool:
    return len(line) > LONGEST and " " not in line
