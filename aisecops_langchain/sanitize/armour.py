"""Encodings that show themselves by a form of their own, beyond base64 and escapes: decoded where they stand.

Invariant: each decoder names a form that must be there before it is tried, and what it yields counts only if every
character of it is readable; anything else stays as it is. Every character is looked at a bounded number of times.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from itertools import groupby
from typing import Final

from aisecops_langchain.sanitize.long_words import long_words
from aisecops_langchain.sanitize.readable import decode_token
from aisecops_langchain.sanitize.steps import Alphabet, Step, Substitution

_SHORTEST: Final = 6
"""Fewer characters say nothing."""

_UTF7: Final = re.compile(r"\+([A-Za-z0-9+/]{3,})-?")
_BASE85: Final = re.compile(r"<~([!-uz\s]{10,}?)~>|(?<!\S)([!-~]{25,})(?!\S)")
_SHORTEST_BASE85: Final = 25
_SAMPLE: Final = 100
"""Characters of base85 that are decoded before all of it is, in groups of five."""
_BASE85_ALPHABETS: Final = (
    (re.compile("[!-uz]+"), base64.a85decode),
    (re.compile(r"[0-9A-Za-z!#$%&()*+;<=>?@^_`{|}~-]+"), base64.b85decode),
)
_DIGIT: Final = re.compile("[0-9]")
_NOT_OF_WORDS: Final = re.compile("[A-Z0-9+/]")
_FEWEST_NOT_OF_WORDS: Final = 3
"""Of 17 characters of base64, all but one in a hundred hold so many capitals, digits or signs; five words hardly do."""
_UU_LINES: Final = re.compile(
    r"^(?:begin [0-7]{3} .*\n)?(?:[!-M][\x20-\x60]{4,60}(?:\n|\Z))+(?:`\n)?(?:end$)?", re.MULTILINE
)
_UU_LINE: Final = re.compile(r"^[!-M][\x20-\x60]{4,60}$", re.MULTILINE)
_CODE_POINTS: Final = re.compile(r"(?:[Uu]\+[0-9A-Fa-f]{4,6}[\s,;]{0,2}){4,}")
_PERCENT_U: Final = re.compile(r"(?:%[uU][0-9A-Fa-f]{4})+")
_LONG_ESCAPES: Final = re.compile(r"(?:\\U[0-9A-Fa-f]{8}){2,}|(?:\\[0-9A-Fa-f]{2,6} ?){4,}")
_HEX_DIGITS: Final = re.compile(r"[0-9A-Fa-f]{2,8}")
_GROUPED_BASE32: Final = re.compile(
    r"(?<![0-9A-Za-z])[A-Z2-7]{2,16}(?:[\s.:-][A-Z2-7]{2,16}){3,1023}={0,6}(?![0-9A-Za-z])"
)
_GROUP_SIZES: Final = (4, 5, 6, 8, 10, 12)
_GROUPED_BASE64: Final = re.compile(
    r"(?<![0-9A-Za-z+/])(?:[0-9A-Za-z+/]{4,12}[\s.:,-]){4,1023}[0-9A-Za-z+/]{1,12}={0,2}(?![0-9A-Za-z+/=])"
)
_FEWEST_GROUPS: Final = 4
"""So many groups of one size in a row are not words."""
_GROUP: Final = re.compile(r"([0-9A-Za-z+/]+)=*[\s.:,-]*")
_BETWEEN: Final = re.compile(r"[\s.:,-]+")
_PUNYCODE: Final = re.compile(r"\b[xX][nN]--([0-9A-Za-z-]{2,63})")
_QUOTED_BLANK: Final = re.compile(r"=20(?=[A-Za-z])")


def _read(data: bytes, otherwise: str) -> str:
    """Return the text that bytes are from end to end, or what stands there now."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return otherwise
    return _kept(text, otherwise)


def _kept(text: str, otherwise: str) -> str:
    fit = len(text) >= _SHORTEST and all(letter.isprintable() or letter in "\t\r\n" for letter in text)
    return text if fit else otherwise


def _from_utf7(match: re.Match[str]) -> str:
    """Decode one shifted run; what is no UTF-16, or no ASCII that needed no shift, was none."""
    coded = match[1]
    try:
        text = binascii.a2b_base64(coded + "=" * (-len(coded) % 4)).decode("utf-16-be")
    except (ValueError, UnicodeDecodeError):
        return match[0]
    return text if text.isascii() and text.isprintable() else match[0]


def holds_base85(text: str) -> bool:
    """Tell whether a text holds base85 of another text.

    Args:
        text: Any text.

    Returns:
        Whether one of its long words decodes.
    """
    return any(len(word) >= _SHORTEST_BASE85 and _base85_text(word) for word in long_words(text))


def _from_base85(match: re.Match[str]) -> str:
    return (_ascii85_text(match[1]) if match[1] else _base85_text(match[2])) or match[0]


def _base85_text(word: str) -> str:
    """Decode either alphabet; what stands in one case, or without digits, is none of them, and an address hardly."""
    coded_in = [decode for alphabet, decode in _BASE85_ALPHABETS if alphabet.fullmatch(word)]
    if not coded_in or word.islower() or word.isupper() or "://" in word or not _DIGIT.search(word):
        return ""
    return next((text for decode in coded_in if (text := _decoded(decode, word))), "")


def _ascii85_text(coded: str) -> str:
    return _decoded(base64.a85decode, coded)


def _decoded(decode: Callable[[str], bytes], coded: str) -> str:
    """Decode, if the beginning is text already: the decoders of the standard library take long."""
    try:
        if len(coded) > 2 * _SAMPLE and not _kept(decode(coded[:_SAMPLE]).decode("utf-8", "ignore"), ""):
            return ""
        return _read(decode(coded), "")
    except ValueError:
        return ""


def _from_uu(match: re.Match[str]) -> str:
    try:
        return _read(b"".join(binascii.a2b_uu(line) for line in _UU_LINE.findall(match[0])), match[0])
    except ValueError:
        return match[0]


def _from_code_points(match: re.Match[str]) -> str:
    """Read the numbers of characters that stand behind a sign."""
    codes = [int(digits, 16) for digits in _HEX_DIGITS.findall(match[0])]
    if max(codes) > 0x10FFFF:
        return match[0]
    return _kept("".join(map(chr, codes)), match[0])


def _from_percent_u(match: re.Match[str]) -> str:
    return bytes.fromhex(re.sub("%[uU]", "", match[0])).decode("utf-16-be", "replace")


def _from_groups(match: re.Match[str]) -> str:
    joined = _BETWEEN.sub("", match[0]).rstrip("=")
    text = decode_token(joined)
    return _kept(text, match[0])


def _from_equal_groups(match: re.Match[str]) -> str:
    """Decode where groups of one size follow each other; other words that stand beside them stay."""
    if len(_NOT_OF_WORDS.findall(match[0])) < _FEWEST_NOT_OF_WORDS:
        return match[0]
    pieces: list[str] = []
    groups = list(_GROUP.finditer(match[0]))
    sizes = [len(group[1]) for group in groups]
    sizes[-1] = max(sizes[-2:])  # the last one of a run may be shorter
    for size, found in groupby(zip(sizes, groups, strict=True), key=lambda pair: pair[0]):
        run = [group for _, group in found]
        coded = "".join(group[1] for group in run)
        text = decode_token(coded) if size in _GROUP_SIZES and len(run) >= _FEWEST_GROUPS else ""
        pieces.append(_kept(text, "".join(group[0] for group in run)))
    return "".join(pieces)


def _from_punycode(match: re.Match[str]) -> str:
    try:
        text = match[1].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return match[0]
    return text if text.isprintable() else match[0]


def _step(name: str, pattern: re.Pattern[str], decode: Callable[[re.Match[str]], str]) -> Substitution:
    return Substitution(name, pattern, decode)


_LETTER_FORMS: Final = (
    _step("utf-7", _UTF7, _from_utf7),
    _step("codes", _CODE_POINTS, _from_code_points),
    _step("escapes", _PERCENT_U, _from_percent_u),
    _step("escapes", _LONG_ESCAPES, _from_code_points),
    _step("punycode", _PUNYCODE, _from_punycode),
    _step("quoted-printable", _QUOTED_BLANK, lambda _: " "),
)
ARMOUR: Final[tuple[tuple[str, tuple[Step, ...]], ...]] = (
    ("armour", _LETTER_FORMS),
    ("armour", (_step("uuencode", _UU_LINES, _from_uu),)),
    ("base85", (_step("base85", _BASE85, _from_base85),)),
    ("grouped", (_step("base32", _GROUPED_BASE32, _from_groups), _step("base64", _GROUPED_BASE64, _from_equal_groups))),
)
"""By trigger, decoders that each give a reading of their own, because the alphabet of one is plain text to another."""

ROT47: Final = Alphabet("rot47", {code: 33 + (code - 33 + 47) % 94 for code in range(33, 127)})
"""Every visible character of ASCII, turned by half of them."""

_COMMON: Final = (
    "the and you your all not for with this that from have must ignore previous instructions system prompt user "
    "die der das und nicht alle bitte les des vous tout toutes est pas que los las todas para sus tutte tutti che per "
    "con sono"
)
"""Words of which a sentence holds one, in English and its neighbours."""
_FORMS: Final = [ROT47.apply(form) for word in _COMMON.split() for form in (word, word.title())]
_TURNED: Final = "|".join(re.escape(form) for form in _FORMS if not form.isdigit())

ARMOUR_SIGNS: Final = {
    "armour": (
        r"\+A[A-H][a-z0-9+/]"  # UTF-7 of ASCII
        r"|begin [0-7]{3} [^\n]|(?:^|\n)M[\x20-\x60]{60}(?:\n|$)"  # uuencode
        r"|u\+[0-9a-f]{4}[ ,;\n]{0,2}u\+|%u[0-9a-f]{4}|\\u[0-9a-f]{8}\\|\\[0-9a-f]{2,6} ?\\[0-9a-f]{2,6} ?\\"
        r"|xn--[0-9a-z]|[a-z]=20[a-z]"
    ),
    "base85": r"<~",
    "grouped": (  # letters and digits in turn, or small letters and capitals, in groups that follow each other
        r"(?-i:[A-Z][2-7]|[2-7][A-Z])[A-Z2-7]{0,14}[ .:\n-](?-i:[A-Z2-7]{2})"
        r"|(?-i:[a-z0-9][A-Z])[0-9a-z+/]{0,10}[ .:,\n-][0-9a-z+/]{0,10}(?-i:[a-z0-9][A-Z])"
    ),
    "rot47": rf"(?-i:(?:^|\s)(?:{_TURNED})(?:\s|$))",
}
"""By trigger, what a text must hold for a decoder to be worth a try, in re2 syntax."""
