"""Which trigger gives reason to take which steps.

Invariant: encodings that show their own syntax are decoded in one go, in the order in which they may stand inside each
other; spellings that change the whole text branch off, each by itself.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aisecops_langchain.sanitize.armour import ROT47
from aisecops_langchain.sanitize.decode import BINARY_CODES, DECIMAL_CODES, ESCAPES, HEX_CODES, QUOTED_PRINTABLE, TOKENS
from aisecops_langchain.sanitize.joined import APART, SQUEEZED_LETTERS, SQUEEZED_LINES, SQUEEZED_WORDS
from aisecops_langchain.sanitize.markup import SHOWN
from aisecops_langchain.sanitize.respell import (
    LEETSPEAK,
    LEETSPEAK_L,
    REVERSED,
    ROT13,
    UNBROKEN,
    UNSPACED,
    WORDS_REVERSED,
)
from aisecops_langchain.sanitize.steps import Step
from aisecops_langchain.sanitize.way import SKELETON

DECODERS: Final[tuple[tuple[str, tuple[Step, ...]], ...]] = (
    ("markup", (SHOWN,)),
    ("escapes", (ESCAPES,)),
    ("quoted", (QUOTED_PRINTABLE,)),
    ("codes", (BINARY_CODES, HEX_CODES, DECIMAL_CODES)),
    ("token", (TOKENS,)),
)
"""Triggers and what they call for."""


class Spelling(NamedTuple):
    """A spelling, what makes it worth trying, and where it stands among the others."""

    triggers: frozenset[str]
    steps: tuple[Step, ...]
    rank: int
    """Spellings are undone in the order of their ranks, which loses nothing, since most of them commute."""
    squeezed: bool = False
    never_after: frozenset[str] = frozenset()
    """Names of steps after which it is not tried: it might take them back in part, and so on without end."""


_BACKWARDS: Final = frozenset({REVERSED.name, WORDS_REVERSED.name})
_TURNED_ROUND: Final = _BACKWARDS | frozenset({ROT13.name, LEETSPEAK_L[-1].name, SKELETON.name})

SPELLINGS: Final = (
    Spelling(frozenset({"broken"}), UNBROKEN, 1),
    Spelling(frozenset({"spaced"}), UNSPACED, 2),
    Spelling(frozenset({"joined"}), (APART,), 2),
    Spelling(frozenset({"spaced"}), (SQUEEZED_LETTERS,), 3, squeezed=True),
    Spelling(frozenset({"lines"}), (SQUEEZED_LINES,), 3, squeezed=True),
    Spelling(frozenset({"joined"}), (SQUEEZED_WORDS,), 3, squeezed=True),
    Spelling(frozenset({"codes"}), (DECIMAL_CODES,), 3),
    Spelling(frozenset({"reversed", "odd"}), (REVERSED,), 4, never_after=_BACKWARDS),
    Spelling(frozenset({"reversed"}), (WORDS_REVERSED,), 4, never_after=_TURNED_ROUND),
    Spelling(frozenset({"leet", "odd"}), LEETSPEAK, 5),
    Spelling(frozenset({"leet"}), LEETSPEAK_L, 5),
    Spelling(frozenset({"rot13", "odd"}), (ROT13,), 5),
    Spelling(frozenset({"rot47"}), (ROT47,), 5, never_after=frozenset({ROT47.name})),
)
ROTATED: Final = Spelling(frozenset({"odd"}), (ROT13,), 4)
"""Taken before look-alikes are read, since letters of other scripts do not rotate."""
