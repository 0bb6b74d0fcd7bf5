"""Whether a value stands in a text as whole words.

Invariant: a part of a word, number, name, path or address never stands for the whole, and what stands in nearly every
text (punctuation, short numbers, everyday words) is found in a long text only where it stands as a value of its own.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_SIGNS: Final = "-\u2212+."
_BETWEEN_DIGITS: Final = ",:'\u2019\u00a0\u2009\u202f"
_JOINERS: Final = "./\\@-'\u2019+&%~#!?\u2010\u2011\u00ad\u200b\u200c\u200d\u2060"
"""What joins words into names, paths and addresses, so that a part of one does not stand for the whole."""

_LONG_TEXT: Final = 400
"""Characters beyond which a short value stands somewhere by chance."""

_OPENERS: Final = frozenset("\"'`:=#(<[\u201c\u2018\u00ab$\u20ac\u00a3")
"""What a value stands behind, where it stands as a value."""

_COMMON: Final = frozenset(
    [
        "a",
        "all",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "can",
        "do",
        "for",
        "from",
        "get",
        "has",
        "have",
        "he",
        "her",
        "him",
        "his",
        "i",
        "if",
        "in",
        "is",
        "it",
        "its",
        "me",
        "my",
        "new",
        "no",
        "not",
        "of",
        "off",
        "on",
        "or",
        "our",
        "out",
        "over",
        "please",
        "send",
        "she",
        "so",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "they",
        "this",
        "to",
        "up",
        "us",
        "was",
        "we",
        "were",
        "what",
        "when",
        "which",
        "who",
        "will",
        "with",
        "yes",
        "you",
        "your",
        "one",
        "two",
        "user",
        "file",
        "name",
        "text",
        "message",
        "email",
        "date",
        "time",
        "true",
        "false",
    ]
)


def stands_in(leaf: str, text: str) -> bool:
    """Tell whether a value stands in a text as whole words, so that 5 is not found in 500 or in 5.20.

    Args:
        leaf: The value, case-folded.
        text: The text, case-folded.

    Returns:
        Whether it does.
    """
    start = text.find(leaf)
    if start < 0:
        return False
    by_chance = len(text) > _LONG_TEXT and (len(leaf) < 3 or leaf in _COMMON)
    while start >= 0:
        end = start + len(leaf) - 1
        if not (_continues(text, start, -1) or _continues(text, end, 1)) and (not by_chance or _is_value(text, start)):
            return True
        start = text.find(leaf, start + 1)
    return False


def is_lookalike(leaf: str) -> bool:
    """Tell whether a value holds letters that only turn into ASCII when case is folded, such as a long s.

    Args:
        leaf: The value as it would be passed to the tool.

    Returns:
        Whether it would be found as a text that it is not.
    """
    address = "@" in leaf or "/" in leaf or "." in leaf
    return any(
        ord(letter) > 127 and letter.casefold().isascii() and (address or letter not in "\u00df\u1e9e")
        for letter in leaf
    )


def _is_value(text: str, start: int) -> bool:
    before = text[max(0, start - 8) : start].rstrip(" ")
    return bool(before) and before[-1] in _OPENERS


def _continues(text: str, edge: int, step: int) -> bool:
    """Whether the word, number, name, path or address at ``edge`` goes on in the direction of ``step``."""
    near, far = edge + step, edge + 2 * step
    if not 0 <= near < len(text):
        return False
    if text[edge].isdigit() and _is_in_number(text, near, step):
        return True
    neighbour = text[near]
    if neighbour == " ":  # by far the most usual one
        return False
    beyond = text[far] if 0 <= far < len(text) else ""
    if _is_word(neighbour) or unicodedata.combining(neighbour):
        return _is_word(text[edge]) or bool(unicodedata.combining(neighbour))
    is_port = neighbour == ":" and step > 0 and beyond.isdigit()
    return is_port or (neighbour in _JOINERS and bool(beyond) and _is_word(beyond))


def _is_in_number(text: str, near: int, step: int) -> bool:
    """Whether what stands beside a digit goes on with its number, or changes its sign."""
    neighbour, far = text[near], near + step
    if neighbour == " ":
        return _is_grouped(text, near)
    if step < 0 and neighbour in _SIGNS:
        return True
    return neighbour in _BETWEEN_DIGITS and 0 <= far < len(text) and text[far].isdigit()


def _is_grouped(text: str, space: int) -> bool:
    """Whether a space beside a digit sets thousands apart: exactly three digits after it, one to three before it."""
    return _digits(text, space, 1) == 3 and 1 <= _digits(text, space, -1) <= 3


def _digits(text: str, start: int, step: int) -> int:
    """Count the digits next to a place; four stand for more."""
    count = 0
    while count < 4 and 0 <= (at := start + (count + 1) * step) < len(text) and text[at].isdigit():
        count += 1
    return count


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
