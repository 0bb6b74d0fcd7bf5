"""The detection alphabet: what a person or a model would take a text for, however it is spelt.

Invariant: folding works character by character (compatibility decomposition, marks dropped, look-alikes mapped), so
that every folded character has exactly one raw position. Case stays, since some encodings depend on it and matching
does not. Folded text is only matched against, never passed on. Patterns go through the same table.

Composition (NFKC) would need neighbours and blur positions, so the decomposed form (NFKD) without its combining marks
stands in for it: ``e`` and an accented ``e`` read alike.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from aisecops_langchain.sanitize.confusables import look_alike
from aisecops_langchain.sanitize.steps import Edit, Locate, Substitution, edits_trace, same_span

_FILLERS: Final = "\u115f\u1160\u3164\uffa0\ufffd"
"""Hangul fillers, letters that show nothing; and what stands for characters that could not be read."""
_BRAILLE_BLANK: Final = "\u2800"
_LINE_BREAKS: Final = "\x85\u2028\u2029"
_MARKDOWN: Final = str.maketrans("", "", "*_~`")
_REVEALING: Final = ("*", "_", "~", "`", "    ", "\n\n\n", "\t\t")
"""A skeleton without any of these is folded already."""

_LETTER_SIGNS: Final = re.compile(
    "[\u00aa\u00b2\u00b3\u00b9\u00ba\u02b0-\u02ff\u1d2c-\u1d6a\u1d78\u1d9b-\u1dbf\u2070-\u209f\u2100-\u218f\u2460-\u24ff"
    "\u2c7c\u2c7d\u3200-\u33ff\ua69c\ua69d\ua770\ua7f8\ua7f9\uab5c-\uab5f\U0001f100-\U0001f2ff]"
)
"""Small letters and digits above or below the line, in circles, for units and the like."""

_BREAK: Final = re.compile(r"[\r\n\v\f]")
_RARE: Final = re.compile(r"[^\x00-\x7f]")
_ASCII: Final = bytes(range(128))
_FEW: Final = 16
"""So many different characters are replaced one by one."""
_LONGEST: Final = 6
"""Characters that one character may decompose into; the few ligatures that hold whole phrases are cut short."""
_PART: Final = 16_384
_CACHE_LIMIT: Final = 65_536
"""Folds remembered at most: room for every character that may fold, since hostile text may hold them all."""

_THEMSELVES: Final = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\ue000-\uf8ff\U00020000-\U0002f7ff\U00030000-\U0003ffff\U000f0000-\U0010ffff]+"
)
"""Ideographs and private characters: many, and none of them folds."""
_WITHOUT_NAME: Final = frozenset({"Cn", "Co"})
_ASCII_FOLDS: Final = {code: chr(code) for code in range(128)}


def _fold_character(character: str) -> str:
    if character.isascii() or unicodedata.category(character) in _WITHOUT_NAME:
        return character
    return _fold_named(character)


@lru_cache(maxsize=_CACHE_LIMIT)
def _fold_named(character: str) -> str:
    if character in _LINE_BREAKS:
        return "\n"
    if character.isspace() or character == _BRAILLE_BLANK:
        return " "
    known = look_alike(character)
    if known != character:
        return known
    plain = unicodedata.normalize("NFKD", character)[:_LONGEST]
    return "".join(look_alike(part) for part in plain if _is_visible(part))


def _is_visible(character: str) -> bool:
    return character not in _FILLERS and unicodedata.category(character) not in {"Mn", "Me", "Cf"}


def is_emphasized(plain: str) -> bool:
    """Tell whether folding a skeleton shows something that the skeleton itself, matched without case, does not.

    Args:
        plain: A skeleton.

    Returns:
        False only if folding is certain to reveal nothing.
    """
    # A plain loop: this runs for every text, and a generator costs more than the searches.
    for mark in _REVEALING:  # noqa: SIM110
        if mark in plain:
            return True
    return False


def rare_characters(text: str) -> str:
    """Pick out the characters beyond ASCII.

    Args:
        text: Any text.

    Returns:
        Those characters, in order; this takes a fraction of the time of looking at all of the text.
    """
    return text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")


def skeleton(text: str) -> str:
    """Write a text in the detection alphabet.

    Args:
        text: Any text.

    Returns:
        The text with every character beyond ASCII folded; ASCII stays, white space and marks included.
    """
    if text.isascii():
        return text
    changed = _changed(rare_characters(text))
    if len(changed) > _FEW:
        return text.translate(_ASCII_FOLDS | {ord(character): folded for character, folded in changed.items()})
    for character, folded in changed.items():  # a few replacements are much faster than a look at every character
        text = text.replace(character, folded)
    return text


def _changed(rare: str) -> dict[str, str]:
    """Fold every character that some text holds; in parts, since there may be as many as there are characters."""
    changed: dict[str, str] = {}
    for start in range(0, len(rare), _PART):
        for character in set(_THEMSELVES.sub("", rare[start : start + _PART])):
            folded = _fold_character(character)
            if folded != character:
                changed[character] = folded
    return changed


def has_letter_signs(text: str) -> bool:
    """Tell whether a text holds signs that fold to letters or digits, though to a reader they end a word.

    Args:
        text: Any text.

    Returns:
        Whether it does: a footnote's number, a trade mark, a letter in a circle.
    """
    return not text.isascii() and _LETTER_SIGNS.search(rare_characters(text)) is not None


def without_twins(text: str) -> str:
    """Write k and s for the Kelvin sign and the long s, which match them without regard to case, but end words.

    Args:
        text: Any text; in a skeleton they are written so already.

    Returns:
        The text, character by character.
    """
    return text if text.isascii() else text.replace("\u212a", "k").replace("\u017f", "s")


def skeleton_trace(text: str) -> Locate:
    """Say where the characters of ``skeleton(text)`` come from.

    Args:
        text: The text that was folded.

    Returns:
        The way back.
    """
    if text.isascii():
        return same_span
    folds = ((match.start(), _fold_character(match[0])) for match in _RARE.finditer(text))
    return edits_trace(Edit(position, position + 1, folded) for position, folded in folds if len(folded) != 1)


def fold(text: str) -> str:
    """Fold text into its detection reading: the skeleton without Markdown emphasis, white space collapsed.

    Args:
        text: Any text.

    Returns:
        The folded text.
    """
    return fold_plain(skeleton(text))


def fold_plain(plain: str) -> str:
    """Fold a skeleton; see ``fold``.

    Args:
        plain: A skeleton.

    Returns:
        The folded text.
    """
    return SPACES.apply(plain.translate(_MARKDOWN)) if is_emphasized(plain) else plain


def fold_pattern(pattern: str) -> str:
    """Put the letters of a pattern into the detection alphabet; ASCII, which carries the syntax, stays.

    Args:
        pattern: A regular expression.

    Returns:
        The expression that matches folded text.
    """
    return skeleton(pattern)


def _one_space(run: re.Match[str]) -> str:
    return "\n" if _BREAK.search(run[0]) else " "


EMPHASIS: Final = Substitution("folded", re.compile("[*_~`]+"), lambda _: "")
"""Emphasis of Markdown, taken out."""
SPACES: Final = Substitution("folded", re.compile(r"[ \t\r\n\v\f]{2,}"), _one_space)
"""Runs of white space, made one."""
