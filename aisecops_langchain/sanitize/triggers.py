"""What a text must hold for another reading of it to be worth making.

Invariant: a trigger may fire for nothing, which costs time; where it does not fire, the reading would show nothing that
the text itself does not. What nearly every honest text holds, such as long words, is looked at more closely before it
counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from aisecops_langchain.sanitize.armour import ARMOUR_SIGNS, holds_base85
from aisecops_langchain.sanitize.long_words import (
    LONGEST,
    begins_with_address,
    holds_joined_words,
    may_hold_digits,
    shorten_codes,
)
from aisecops_langchain.sanitize.pattern_set import PatternBlock
from aisecops_langchain.sanitize.patterns import compile_pattern
from aisecops_langchain.sanitize.respell import LEET, ROT13
from aisecops_langchain.sanitize.steps import Span

_COMMON: Final = (
    "the you your all and not for with this that from have ignore previous instructions system prompt user send "
    "die der das alle und nicht sie mit ist bitte les des vous tout toutes est pas que los las todas todo por para "
    "usted suas como tutte tutti che per con sono tool file mail call email please data password forget disregard "
    "reveal tell make must now"
)
"""Words of which a sentence in a language with Latin letters holds at least one."""
_SIGNS: Final = {letter: sign for sign, letter in LEET.items() if sign.isdigit()}


def _signed(word: str, letter_form: Callable[[str], str] = str) -> str:
    """Write a word so that each letter may also be a digit that stands for it, unless it would be all digits."""
    if all(letter in _SIGNS for letter in word):
        return "".join(map(letter_form, word))
    return "".join(f"[{letter_form(x)}{_SIGNS[x]}]" if x in _SIGNS else letter_form(x) for x in word)


def _words(forms: list[str]) -> str:
    return rf"(?:^|[^\w+/=-])(?:{'|'.join(sorted(set(forms)))})(?:$|[^\w+/=-])"


_COMMON_WORDS: Final = _COMMON.split()
_PALINDROMES: Final = frozenset({"las", "los", "mit", "now", "der", "sed", "and", "das", "mail", "file", "per"})
"""Words that are others when they are reversed: sal, sol, tim, won, red, des, DNA, sad, Liam, elif, rep."""
_ROTATED: Final = _words([_signed(word, ROT13.apply) for word in _COMMON_WORDS])
_REVERSED: Final = _words([_signed(word[::-1]) for word in _COMMON_WORDS if word not in _PALINDROMES])

_TORN_LINE: Final = r"(?:[^\s]{1,15}|[^\s]*[^\s0-9a-z+/=_-][^\s]*)"
"""A line without spaces, unless it may be a line of a code, which is decoded over the ends of its lines anyway."""

_SOURCES: Final = {
    "markup": r"<[a-z/!?]",
    "comment": r"(?:^|\n) {0,3}\[[^\]\n]*\]:[ \t]*(?:#|<>)",
    "escapes": r"&(?:#x?[0-9a-f]|[a-z]{2})|%[0-9a-f]{2}|\\[uxnrt0-7\"'/\\]",
    "quoted": r"=[0-9a-f]{2}=[0-9a-f]{2}|=\r?\n",
    "codes": r"(?:(?:0x)?[0-9a-f][0-9a-f][0-9a-f]?[ ,:;\t\n-][ ,:;\t\n-]?){7}|[01]{8}[ ,;\t\n]?[01]{8}",
    "spaced": r"(?:^|\s)\S(?:\s+\S){4}(?:\s|$)|(?:[0-9\pL][._*|/,;:+~\x{b7}\x{2022}-]{1,3}){5}",
    "lines": r"(?:\n[^\n](?:[^\n]?){11}\n?\n?){3}\n[^\n](?:[^\n]?){11}(?:\n|$)",
    "broken": r"[^\r\n]\r?\n[^\r\n]",
    "leet": (
        r"(?:^|[^\w+/=-])(?:[a-z0-9@$]?){8}[a-z][013457$!]+[a-z](?:[a-z0-9@$]?){12}(?:$|[^\w+/=@-])"
        r"|(?:^|[^\w+/=])[13457][a-z]{4}[a-z]*(?:$|[^\w+/=])"
    ),
    "torn": rf"[^\s]\n{_TORN_LINE}\n{_TORN_LINE}\n[^\s]|<[^<> \n]*\n[^<>\n]*>",
    "rot13": rf"{_ROTATED}|%[0-7][n-s]|\\h00|\\k[0-9]|&#k[0-9]|(?:[0-7][0-9n-s][ ,:]){{6}}",
    "reversed": _REVERSED,
    **ARMOUR_SIGNS,
}
_GROUPS: Final = (
    ("", ("codes", "spaced", "leet", "rot13", "reversed", "rot47")),
    ("", ("armour", "grouped")),
    ("\n", ("broken", "lines", "torn")),
    ("<:&%\\=", ("markup", "comment", "escapes", "quoted", "base85")),
)
"""Triggers that are looked for together, and the characters of which a text must hold one for any of them."""
_SETS: Final = tuple(
    (re.compile(f"[{re.escape(signs)}]") if signs else None, names, PatternBlock([_SOURCES[name] for name in names]))
    for signs, names in _GROUPS
)

_LONG: Final = PatternBlock([rf"[^\s]{{{LONGEST + 1}}}"])
_IN_LONG_WORDS: Final[dict[str, Callable[[str], bool]]] = {
    "token": may_hold_digits,
    "joined": holds_joined_words,
    "base85": holds_base85,
}
"""What a text with long words may call for, and how that is told."""

_NONE: Final = frozenset[str]()
_OTHERS: Final = r"\x{370}-\x{58f}\x{13a0}-\x{13ff}\x{a4d0}-\x{a4ff}\x{ab70}-\x{abbf}\x{2c80}-\x{2cff}"
_MIXED: Final = PatternBlock(
    [
        rf"[a-z][\x{{300}}-\x{{36f}}]?[{_OTHERS}]|[{_OTHERS}][a-z]",
        r"[\x{1d00}-\x{1d7f}\x{a730}-\x{a7ff}\x{24b6}-\x{24e9}]",
        r"[\x{ff10}-\x{ff19}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{1d400}-\x{1d7ff}\x{1f110}-\x{1f189}\x{1f1e6}-\x{1f1ff}]",
        r"[\x{334}-\x{338}\x{363}-\x{36f}]|[\x{300}-\x{36f}]{2}",
    ]
)

SPELT: Final = frozenset({"leet", "rot13", "reversed"})
"""Triggers that go by letters, and so may be misled by look-alikes."""


def triggered(text: str) -> frozenset[str]:
    """Name the readings that are worth making.

    Args:
        text: A text in the detection alphabet.

    Returns:
        Names of triggers.
    """
    found: list[str] = []
    encoded = text.encode()
    if _LONG.hits(encoded):
        found += [name for name, is_in in _IN_LONG_WORDS.items() if is_in(text)]
        encoded = shorten_codes(text).encode()
    for signs, names, patterns in _SETS:
        if signs is None or signs.search(text):
            found += [names[index] for index in patterns.hits(encoded)]
    return frozenset(found) if found else _NONE


def torn_lines(text: str) -> Iterator[Span]:
    """Find the lines for which ``torn`` fires.

    Args:
        text: A text in the detection alphabet.

    Yields:
        Where they stand, but for addresses, since lists have one on each line.
    """
    for match in compile_pattern(_SOURCES["torn"]).finditer(text):
        _, *lines, _ = match.group().split("\n")
        if not lines or not all(map(begins_with_address, lines)):
            yield match.span()


def mixes_scripts(text: str) -> bool:
    """Tell whether a text spells words with letters that are made to be taken for others.

    Args:
        text: Any text without lone surrogates.

    Returns:
        Whether words mix scripts, or use letters of mathematics, emblems or small capitals.
    """
    return bool(_MIXED.hits(text.encode()))
