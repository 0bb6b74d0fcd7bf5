"""Spellings that change a whole text: each gives one other reading of it.

Invariant: every step here maps a character to a character, turns the order round, or takes separators out. None of
them can be told from honest text for certain, so that they are only tried where a trigger saw something.
"""

from __future__ import annotations

import re
import string
from typing import Final

from aisecops_langchain.sanitize.steps import Alphabet, Backwards, Step, Substitution

LEET: Final = dict(zip("013457@$", "oieastas", strict=True))
"""Digits and signs that stand for letters."""
_LEET_CODES: Final = {ord(sign): ord(letter) for sign, letter in LEET.items()} | {
    ord("8"): ord("b"),
    ord("9"): ord("g"),
}
_ROT13_CODES: Final = {
    ord(letter): ord(alphabet[(index + 13) % 26])
    for alphabet in (string.ascii_lowercase, string.ascii_uppercase)
    for index, letter in enumerate(alphabet)
}
_DOUBLE_L: Final = re.compile(r"(?<=[a-zA-Z0-9])11|(?<=[ia])1")
_INNER_SIGN: Final = re.compile(r"(?<=[a-zA-Z0-9])[!|](?=[a-zA-Z0-9])|(?<![a-zA-Z0-9!|])[!|](?=[a-zA-Z0-9])")
_ONE: Final = re.compile(r"[1!|](?=[a-zA-Z0-9])|(?<=[a-zA-Z0-9])[1|]")

ALONE: Final = r"(?<![^\s\"'(\[{>])\S(?:\s{1,9}\S(?![^\s\"')\]}<])){3,}"
_SPACED: Final = re.compile(ALONE)
_GAP: Final = re.compile(r"\s+")
_ALTERNATING: Final = re.compile(r"(?<![^\W_]).([._*|/,;:+~\u00b7\u2022-])(?:.\1){3,}.?", re.DOTALL)
_SEPARATED: Final = re.compile(r"(?<![^\W_])[^\W_](?:[._*|/\u00b7\u2022~-]{1,3}[^\W_](?![^\W_]))+")
_SEPARATORS: Final = re.compile(r"[._*|/\u00b7\u2022~-]+")


def _unspace(match: re.Match[str]) -> str:
    """Join letters that stand alone; where gaps differ in width, the wide ones part words."""
    run = match[0]
    narrow = min(len(gap) for gap in _GAP.findall(run))
    return _GAP.sub(lambda gap: "" if len(gap[0]) == narrow else " ", run)


def _deleting(name: str, pattern: str, kept: str = "") -> Substitution:
    return Substitution(name, re.compile(pattern), lambda _: kept)


ROT13: Final = Alphabet("rot13", _ROT13_CODES)
REVERSED: Final = Backwards()
WORDS_REVERSED: Final = Substitution(
    "reversed-words",
    re.compile(r"([.,;:!?]*)([^\W\d_]{1,40}+(?:[-'][^\W\d_]{1,40}+)*)"),
    lambda word: word[2][::-1] + word[1],
)
"""Each word from its end, where the words stay in their order; a full stop that came before a word follows it again."""
LEETSPEAK: Final[tuple[Step, ...]] = (
    Substitution("leet", _DOUBLE_L, lambda match: "l" * len(match[0])),
    Substitution("leet", _INNER_SIGN, lambda _: "i"),
    Alphabet("leet", _LEET_CODES),
)
LEETSPEAK_L: Final[tuple[Step, ...]] = (Substitution("leet", _ONE, lambda _: "l"), Alphabet("leet", _LEET_CODES))
"""The same where 1 stands for l."""
UNSPACED: Final[tuple[Step, ...]] = (
    Substitution("spaced", _SPACED, _unspace),
    Substitution("spaced", _ALTERNATING, lambda match: match[0][::2]),
    Substitution("spaced", _SEPARATED, lambda match: _SEPARATORS.sub("", match[0])),
)
UNBROKEN: Final[tuple[Step, ...]] = (
    _deleting("broken-lines", r"\r\n", "\n"),
    _deleting("broken-lines", r"-\n(?!\n)"),
    _deleting("broken-lines", r"\n(?<!\n\n)(?!\n)"),
)
"""Words that were broken over lines."""
