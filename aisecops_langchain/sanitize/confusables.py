"""Characters that pass for a Latin letter: one table, applied to texts and to patterns alike.

Invariant: what reads alike maps to the same ASCII letter, and capitals map to capitals, so that matching without regard
to case is not disturbed and case-sensitive encodings survive.

The single characters come from the confusables of Unicode Technical Standard 39 (data of Unicode 15, Unicode License),
limited to scripts that are mixed with Latin without notice. Whatever decomposes (fullwidth, mathematical, circled ...)
needs no entry; whatever Unicode names as a form of a Latin letter is recognised by that name.
"""

# ruff: noqa: RUF001 - look-alikes are the subject of this file

from __future__ import annotations

import re
import string
import unicodedata
from typing import Final

_SHAPES: Final = {
    "A": "ΑАᎪᗅꓮ𖽀𐊠",
    "B": "ꞴΒВᏴᗷꓐ𐊂𐊡𐌁",
    "C": "𑣲𑣩ⲤСᏟꓚ𐊢𐌂𐐕𐔜",
    "D": "Ꭰᗞᗪꓓ",
    "E": "ΕЕⴹᎬꓰ𑢦𑢮𐊆",
    "F": "ꞘϜᖴꓝ𑣂𑢢𐊇𐊥𐔥",
    "G": "ԌᏀᏳꓖ",
    "H": "ΗⲎНᎻᕼꓧ𐋏",
    "I": "ƖΙⲒІӀ",
    "J": "ꞲͿЈᎫᒍꓙ",
    "K": "ΚⲔКᏦᛕꓗ𐔘",
    "L": "ⳐᏞᒪꓡ𖼖𑢣𑢲𐐛𐔦",
    "M": "ΜϺⲘМᎷᗰᛖꓟ𐊰𐌑",
    "N": "ΝⲚꓠ𐔓",
    "O": "𑣠ΟⲞОՕⵔ𐓂ꓳ𑢵𐊒𐊫𐐄𐔖",
    "P": "ΡⲢРᏢᑭꓑ𐊕",
    "Q": "ⵕ",
    "R": "ƦᎡᏒ𐒴ᖇꓣ𖼵",
    "S": "ЅՏᏕᏚꓢ𖼺𐊖𐐠",
    "T": "ΤⲦТᎢꓔ𖼊𑢼𐊗𐊱𐌕",
    "U": "Ս𐓎ᑌꓴ𖽂𑢸",
    "V": "ѴⴸᏙᐯꓦ𖼈𑢠𐔝",
    "W": "𑣯𑣦ԜᎳᏔꓪ",
    "X": "᙭𐌢𑣬ꞳΧⲬХⵝᚷꓫ𐊐𐊴𐌗𐔧",
    "Y": "ΥⲨУҮᎩᎽꓬ𖽃𑢤𐊲",
    "Z": "𐋵𑣥ΖᏃꓜ𑢩",
    "a": "ɑαа",
    "b": "ƄЬᏏᑲᖯвβ",
    "c": "ᴄⲥсꮯ𐐽",
    "d": "ԁᏧᑯꓒ",
    "e": "℮ꬲеҽε",
    "f": "ꬵꞙẝք",
    "g": "ɡᶃƍց",
    "h": "һհᏂн",
    "i": "ıɪɩιіꙇӏꭵᎥ𑣃",
    "j": "ϳј",
    "k": "кκ",
    "l": "𐌠ǀⵏᛁꓲ𖼨𐊊𐌉",
    "m": "м",
    "n": "ոռη",
    "o": "ᴏᴑꬽοσⲟоჿօ𐓪𑣈𑣗𐐬",
    "p": "ρⲣр",
    "q": "ԛգզ",
    "r": "ꭇꭈᴦⲅгꮁ",
    "s": "ꜱƽѕꮪ𑣁𐑈",
    "t": "тτ",
    "u": "ꞟᴜꭎꭒʋυս𐓶𑣘μ",
    "v": "ᴠνѵꮩ𑣀",
    "w": "ɯᴡѡԝաꮃω",
    "x": "᙮хᕁᕽχ",
    "y": "ɣᶌʏỿꭚγуүყ𑣜",
    "z": "ᴢꮓ𑣄",
}
"""By the letter that they look like."""

_MARKS: Final = {
    "'": "‘’‚‛′ʼʹ",
    '"': "“”„‟″",
    "-": "‐‑‒–—―−",
    "|": "￨∣│┃",
    "/": "⁄∕",
    ":": "։∶",
    "<": "‹˂",
    ">": "›˃",
    "_": "▁",
}
"""Punctuation, by the ASCII character that it looks like."""

_SPELLED: Final = {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "ð": "d", "Ð": "D"}

_BRAILLE: Final = "⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"
"""The letters of Braille without contractions, in the order of the alphabet."""

_QUALIFIERS: Final = (
    "(?:(?:LATIN|SMALL|CAPITAL|PARENTHESIZED|MODIFIER|SUBSCRIPT|SUPERSCRIPT|CIRCLED|SQUARED|NEGATIVE|CROSSED|RAISED|DOTLESS|LONG|SCRIPT"
    "|TURNED|REVERSED|INVERTED|SIDEWAYS|OPEN|CLOSED|BARRED|INSULAR|STRETCHED|TOP HALF|BOTTOM HALF) )*"
)
_NAMED: Final = re.compile(f"{_QUALIFIERS}LETTER {_QUALIFIERS}(?P<letter>[A-Z])(?: WITH .*)?")
_INDICATOR: Final = re.compile("REGIONAL INDICATOR SYMBOL LETTER (?P<letter>[A-Z])")


def _by_character(shapes: dict[str, str]) -> dict[str, str]:
    return {character: letter for letter, characters in shapes.items() for character in characters}


def _closed(shapes: dict[str, str]) -> dict[str, str]:
    """Turn the table around, and give both cases of a character the same letter where only one has an entry."""
    table = _by_character(shapes)
    other_case: dict[str, str] = {}
    for character, letter in table.items():
        for twin, form in ((character.upper(), letter.upper()), (character.lower(), letter.lower())):
            if len(twin) == 1 and twin not in table:
                other_case.setdefault(twin, form)
    return {**other_case, **table}


_TABLE: Final = {
    **_closed(_SHAPES),
    **_by_character(_MARKS),
    **_SPELLED,
    **dict(zip(_BRAILLE, string.ascii_lowercase, strict=True)),
}


def look_alike(character: str) -> str:
    """Return what a character is taken for.

    Args:
        character: One character.

    Returns:
        A letter, two where it is a ligature, or the character itself.
    """
    if character in _TABLE:
        return _TABLE[character]
    return character if character.isascii() else _by_name(character)


def _by_name(character: str) -> str:
    name = unicodedata.name(character, "")
    if "LATIN" in name:
        form = _NAMED.fullmatch(name)
        if form:
            return form["letter"].lower() if "SMALL" in name else form["letter"]
    indicator = _INDICATOR.fullmatch(name)
    return indicator["letter"] if indicator else character
