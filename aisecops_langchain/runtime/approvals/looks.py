"""Arguments that read otherwise than they are: what an approver cannot tell from looking at them.

Invariant: only told, never changed: what is approved, and runs, are the arguments as they are. Scripts that need
joiners between their letters, and pictures made of several characters, are left alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.sanitize.confusables import look_alike

_REORDERED: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_UNSEEN: Final = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028\u2029\u2060-\u2065\u206a-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
    "|(?<=[\\x00-\\x7f])(?:[\u200c\u200d]|[\ufe00-\ufe0f](?!\u20e3))"
)
_FOREIGN_WORD: Final = re.compile(r"[\x21-\x7e]*[^\x00-\x7f]\S*")
_MOST_WORDS: Final = 5_000
_ADDRESS: Final = re.compile(r"@|://|\w\.\w")

REASONS: Final = {
    "unseen": "characters that are not shown",
    "reordered": "characters that change the order of what is shown",
    "look_alike": "letters that look like others",
}
"""What is wrong with a text, in words, by code."""


def oddities(arguments: Mapping[str, JsonValue]) -> dict[str, list[str]]:
    """Find arguments that read otherwise than they are.

    Args:
        arguments: The canonical arguments of a call.

    Returns:
        Codes of ``REASONS`` by the argument's name; only arguments of which there is something to say.
    """
    found = {
        name: sorted({reason for text in _texts(value) for reason in _odd(text)} | set(_odd(name)))
        for name, value in arguments.items()
    }
    return {name: reasons for name, reasons in found.items() if reasons}


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)


def _odd(text: str) -> Iterator[str]:
    if _UNSEEN.search(text):
        yield "unseen"
    if text.isascii():
        return
    if _REORDERED.search(text):
        yield "reordered"
    words = islice(_FOREIGN_WORD.finditer(text), _MOST_WORDS)
    if any(_is_disguised(word[0]) for word in words):
        yield "look_alike"


def _is_disguised(word: str) -> bool:
    """Whether a word mixes Latin letters with others that look like Latin ones, or is an address with such."""
    if not any(map(_poses, word)):
        return False
    return bool(_ADDRESS.search(word)) or any(letter.isascii() and letter.isalpha() for letter in word)


def _poses(letter: str) -> bool:
    """Whether a letter of another script, or in another form, looks like a Latin one."""
    if letter.isascii() or not letter.isalpha():
        return False
    name = unicodedata.name(letter, "")
    return not name.startswith("LATIN") and look_alike(unicodedata.normalize("NFKC", letter)[:1]).isascii()
