"""Encodings inside a text, decoded where they stand.

Invariant: what is decoded counts only where it yields readable text; anything else stays as it is. Nothing is
decompressed. Every decoder looks at each character a bounded number of times.
"""

from __future__ import annotations

import html
import re
from typing import Final

from aisecops_langchain.sanitize.readable import decode_promising_token, decode_token, holds_text, readable
from aisecops_langchain.sanitize.steps import Substitution

_ESCAPED: Final = re.compile(
    r"&(?:#[xX][0-9a-fA-F]{1,8}|#[0-9]{1,8}|[a-zA-Z][a-zA-Z0-9]{1,31});?"
    r"|(?:%[0-9a-fA-F]{2}){1,4095}"
    r"|(?:\\u[0-9a-fA-F]{4}){1,4095}|\\u\{[0-9a-fA-F]{1,6}\}|(?:\\x[0-9a-fA-F]{2}){1,4095}"
    r"|(?:\\[0-7]{3}){1,4095}|\\[nrt\"'/\\]"
)
"""Counters have an end because ``re`` takes memory for every repetition."""
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t"}
_QUOTED: Final = re.compile(r"(?:=[0-9A-Fa-f]{2}){1,4095}|(?<![A-Za-z0-9+/]{16})(?<![A-Za-z0-9+/]{15}=)=\r?\n")
"""The sign at the end of a line goes on in the next one, unless it fills up base64."""


def _numbers(number: str, separator: str, more: str) -> re.Pattern[str]:
    """Match numbers that follow each other; of very many, the separator too, behind which the next match begins."""
    alone = "(?![0-9a-zA-Z])"
    return re.compile(
        f"(?<![0-9a-zA-Z]){number}(?:{separator}{number}){more}{alone}(?:{separator}(?={number}{alone}))?"
    )


_HEX_NUMBERS: Final = _numbers("(?:0[xX])?[0-9a-fA-F]{2}", r"[ ,:;\t\r\n-]{1,2}", "{5,4095}")
_DECIMAL_NUMBERS: Final = _numbers("[0-9]{2,3}", r"[ ,;\t\r\n]{1,2}", "{5,4095}")
_BINARY_NUMBERS: Final = _numbers("[01]{7,}", r"[ ,;\t\r\n]{1,2}", "{0,4095}")
_FEWEST_BITS: Final = 28
_BETWEEN: Final = str.maketrans("", "", " ,:;\t\r\n-")
_NUMBER: Final = re.compile("[0-9]+")
_OCTAL: Final = re.compile("[0-7]+")
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}+(?:\r?\n[A-Za-z0-9+/_-]++={0,2}(?![^\r\n]))*+={0,6}")
_PART: Final = re.compile("[A-Za-z0-9=]{16,}+")
_SHORT_TOKEN: Final = 512
"""Of the parts of longer ones, only those are decoded that promise text."""


def _unescape(match: re.Match[str]) -> str:
    coded = match[0]
    if coded[0] == "&":
        return html.unescape(coded)
    if coded[0] == "%":
        return bytes.fromhex(coded.replace("%", "")).decode("utf-8", "replace")
    kind = coded[1]
    if kind == "u":
        return _from_utf16(coded)
    if kind == "x":
        return bytes.fromhex(coded.replace("\\x", "")).decode("utf-8", "replace")
    if kind in "01234567":
        return "".join(chr(int(digits, 8)) for digits in coded.split("\\")[1:])
    return _SHORT.get(kind, kind)


def _from_utf16(coded: str) -> str:
    """The detour through UTF-16 joins pairs of surrogates."""
    if coded[2] == "{":
        code = int(coded[3:-1], 16)
        return chr(code) if code <= 0x10FFFF else coded
    return bytes.fromhex(coded.replace("\\u", "")).decode("utf-16-be", "replace")


def _unquote(match: re.Match[str]) -> str:
    coded = match[0]
    return "" if "\n" in coded else bytes.fromhex(coded.replace("=", "")).decode("utf-8", "replace")


def _from_hex_numbers(match: re.Match[str]) -> str:
    digits = match[0].replace("0x", "").replace("0X", "").translate(_BETWEEN)
    return readable(bytes.fromhex(digits)) or match[0]


def _from_decimal_numbers(match: re.Match[str]) -> str:
    digits = [number[0] for number in _NUMBER.finditer(match[0])]
    text = _of_bytes(digits, 10)
    if not text and max(map(len, digits)) == 3 and all(map(_OCTAL.fullmatch, digits)):
        text = _of_bytes(digits, 8)
    return text or match[0]


def _of_bytes(digits: list[str], base: int) -> str:
    """Return the text that numbers spell byte by byte; nothing if they spell none."""
    try:
        return readable(bytes(int(number, base) for number in digits))
    except ValueError:  # a number is above 255
        return ""


def _from_binary_numbers(match: re.Match[str]) -> str:
    digits = match[0].translate(_BETWEEN)
    if len(digits) < _FEWEST_BITS:
        return match[0]
    for width in (8, 7):
        if len(digits) % width == 0:
            text = readable(bytes(int(digits[at : at + width], 2) for at in range(0, len(digits), width)))
            if text:
                return text
    return match[0]


def _from_token(match: re.Match[str]) -> str:
    """Decode one run of an alphabet that encodings use: as a whole, or else its lines and parts one by one."""
    token = match[0]
    whole = decode_token(token)
    if whole:
        return whole
    if _PART.fullmatch(token) or (len(token) > _SHORT_TOKEN and not holds_text(token)):
        return token
    decode = decode_token if len(token) <= _SHORT_TOKEN else decode_promising_token
    return _PART.sub(lambda part: decode(part[0]) or part[0], token)


ESCAPES: Final = Substitution("escapes", _ESCAPED, _unescape)
"""Entities, percent encoding and the escapes of JSON and of programming languages."""
QUOTED_PRINTABLE: Final = Substitution("quoted-printable", _QUOTED, _unquote)
BINARY_CODES: Final = Substitution("codes", _BINARY_NUMBERS, _from_binary_numbers)
DECIMAL_CODES: Final = Substitution("codes", _DECIMAL_NUMBERS, _from_decimal_numbers)
HEX_CODES: Final = Substitution("codes", _HEX_NUMBERS, _from_hex_numbers)
"""Characters written as numbers, one by one."""
TOKENS: Final = Substitution("base64", _TOKEN, _from_token)
"""Base64, base32 and hexadecimal digits, whole or wrapped, backwards or in rot13."""
