"""The detection reading of text: what a person or a model would take it for, however it is spelt.

Invariant: folding works character by character (compatibility decomposition, case folding, marks dropped, look-alikes
and Markdown emphasis folded), then collapses white space, so that every folded character has exactly one raw position.
The folded text is only matched against, never passed on.

Composition (NFKC) would need neighbours and blur positions, so the decomposed form (NFKD) without its combining marks
stands in for it: ``e`` and an accented ``e`` read alike. Patterns go through the same table. The look-alikes are a
small part of Unicode Technical Standard 39 (confusables), those that pass for Latin letters in common typefaces.
"""

# ruff: noqa: RUF001 - look-alikes are the subject of this file

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from typing import Final

_MARKDOWN: Final = "*_~`"
_FILLERS: Final = "\u115f\u1160"
"""Hangul fillers: letters that show nothing."""
_BRAILLE_BLANK: Final = "\u2800"
_LINE_BREAKS: Final = "\n\r\v\f\x85\u2028\u2029"
_REVEALING: Final = (*_MARKDOWN, "    ", "\n\n\n", "\t\t")
"""ASCII text without any of these reads the same folded, but for case, which patterns ignore."""

_RUN: Final = re.compile(r"[ \n]{2,}")
_CACHE_LIMIT: Final = 20_000
"""Folds remembered at most; hostile text may hold every character there is."""

_LOOKALIKES: Final = {
    # Cyrillic
    **dict(zip("авекмнорстухіјѕһԁԛԝӏ", "abekmhopctyxijshdqwl", strict=True)),
    # Greek, whose capitals and small letters resemble different Latin ones
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abezhikmnoptyx", strict=True)),
    **dict(zip("αβεικνορτυχ", "abeikvoptux", strict=True)),
    # Armenian, small capitals, and Latin letters that do not decompose
    **dict(zip("օսհո", "ouhn", strict=True)),
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
    **dict(zip("ɑɡıɩłøđ", "agiilod", strict=True)),
    # Quotation marks and dashes
    **dict(zip("‘’‚‛′“”„″‐‑‒–—―−", "'''''\"\"\"\"-------", strict=True)),
}


class _FoldTable(dict[int, str | None]):
    """Translation table for ``str.translate`` that fills itself; ``None`` drops the character."""

    def __missing__(self, code: int) -> str | None:
        folded = _fold_character(chr(code)) or None
        if len(self) < _CACHE_LIMIT:
            self[code] = folded
        return folded


def _fold_character(character: str) -> str:
    if character in _LINE_BREAKS:
        return "\n"
    if character.isspace() or character == _BRAILLE_BLANK:
        return " "
    if character in _LOOKALIKES:
        return _LOOKALIKES[character]
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(_LOOKALIKES.get(part, part) for part in plain if _is_visible(part))


def _is_visible(character: str) -> bool:
    return character not in _MARKDOWN + _FILLERS and unicodedata.category(character) not in {"Mn", "Me", "Cf"}


_TABLE: Final = _FoldTable()


def reads_differently(text: str) -> bool:
    """Tell whether folding may show something that the text itself, matched without case, does not.

    Args:
        text: Any text.

    Returns:
        False only if folding is certain to reveal nothing.
    """
    if not text.isascii():
        return True
    # A plain loop: this runs for every text, and a generator costs more than the searches.
    for mark in _REVEALING:  # noqa: SIM110
        if mark in text:
            return True
    return False


def fold(text: str) -> str:
    """Fold text into its detection reading.

    Args:
        text: Any text.

    Returns:
        The folded text.
    """
    return _RUN.sub(_one_space, text.translate(_TABLE))


def fold_positions(text: str, positions: Sequence[int]) -> array[int]:
    """Say where every character of ``fold(text)`` comes from.

    Args:
        text: The text that was folded.
        positions: Raw position of every character of it.

    Returns:
        Raw position of every folded character.
    """
    flat = array("I")
    for position, character in zip(positions, text, strict=True):
        folded = _TABLE[ord(character)]
        if folded is not None:
            flat.extend([position] * len(folded))
    collapsed, last = array("I"), 0
    for run in _RUN.finditer(text.translate(_TABLE)):
        collapsed.extend(flat[last : run.start() + 1])
        last = run.end()
    collapsed.extend(flat[last:])
    return collapsed


def fold_pattern(pattern: str) -> str:
    """Put the letters of a pattern into the detection alphabet; ASCII, which carries the syntax, stays.

    Args:
        pattern: A regular expression.

    Returns:
        The expression that matches folded text.
    """
    return "".join(part if part.isascii() else _TABLE[ord(part)] or "" for part in pattern)


def _one_space(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else " "
