"""Telling text from noise in what was decoded, and decoding what has no syntax but an alphabet.

Invariant: the answer is readable text or nothing. Noise around readable text is left out, so that an attacker gains
nothing by adding some.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from aisecops_langchain.sanitize.patterns import compile_bytes
from aisecops_langchain.sanitize.respell import ROT13

_SAMPLE: Final = 64
"""Characters of base64 that are tried before all of it is, where it is unlikely to be text."""

_SHORT: Final = 256
"""Characters of tokens whose reading is remembered: most readings of a text hold the same ones."""

_SHORTEST_DIGITS: Final = 32
"""Fewer digits alone encode nothing: base64 has letters, and so have hexadecimal digits that are not written twice."""

_FOREIGN: Final = re.compile("[^A-Za-z0-9+/]")
_HEX: Final = re.compile(r"[0-9a-fA-F]{16,}+")
_BASE32: Final = re.compile(r"[A-Z2-7]{16,}")
_BASE32HEX: Final = re.compile(r"[0-9A-V]{24,}")
_SHORTEST_SMALL: Final = 24
"""Characters of base32 in an unusual form: shorter ones are words."""
_STANDARD: Final = str.maketrans("-_", "+/", "\r\n=")
_READABLE_RUN: Final = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]{6,}")
_ASCII_RUN: Final = re.compile(rb"[\t\n\r\x20-\x7e]{12,}")
_BETWEEN: Final = re.compile(r"\s+")
_DIGITS: Final = re.compile(r"[0-9a-fA-F]{16}|[A-Z2-7]{16}")
_TEXTUAL: Final = compile_bytes(
    r"[\t\n\r\x20-\x7e]{12}|(?:[\t\n\r\x20-\x7e]{5,}[^\t\n\r\x20-\x7e]{0,2}){3}"
    r"|(?:[\x20-\x7e]\x00){6}|(?:\x00[\x20-\x7e]){6}|(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}){4}"
)
"""What random bytes seldom hold: ASCII, also with noise in it or written wide, and letters of other scripts."""
_ASCII_TEXT: Final = bytes([9, 10, 13, *range(32, 127)])


def readable(data: bytes) -> str:
    """Return the text in some bytes.

    Args:
        data: Any bytes.

    Returns:
        The readable runs in them; of bytes that are mostly not text, only longer runs of ASCII.
    """
    others = len(data.translate(None, _ASCII_TEXT))
    if others * 4 > len(data) and not _is_utf8(data):
        return "\n".join(run.decode("ascii") for run in _ASCII_RUN.findall(data))
    text = data.decode("utf-8", "replace")
    runs = _READABLE_RUN.findall(text)
    return text if sum(map(len, runs)) == len(text) else "\n".join(runs)


def decode_token(token: str) -> str:
    """Decode base64, base32 or hexadecimal digits, also written backwards or in rot13.

    Args:
        token: Characters of the alphabets, white space and padding.

    Returns:
        The text, or nothing if there is none.
    """
    if len(token) < _SHORTEST_DIGITS and token.isdigit():
        return ""
    return _remembered(token) if len(token) <= _SHORT else _decode_token(token)


@lru_cache(maxsize=32_768)
def _remembered(token: str) -> str:
    return _decode_token(token)


def _decode_token(token: str) -> str:
    plain = token.translate(_STANDARD)
    text = _decode_plain(plain)
    if text:
        return text
    for reading in (plain[::-1], ROT13.apply(plain)):
        text = _decode_plain(reading) if _promises(reading) else ""
        if text:
            return text
    return ""


def holds_text(token: str) -> bool:
    """Tell whether some part of a long token may be text, wherever the part begins.

    Args:
        token: Characters of the alphabets of base64, parted by signs and line breaks.

    Returns:
        False only if neither base64 nor hexadecimal digits in it yield more than a few readable characters.
    """
    plain = _BETWEEN.sub("", token.translate(_STANDARD))
    return _DIGITS.search(plain) is not None or any(
        _TEXTUAL.search(_bytes_of(plain[shift:])) is not None for shift in range(4)
    )


def decode_promising_token(token: str) -> str:
    """Decode base64 or hexadecimal digits if a few samples of them are text.

    Args:
        token: Characters of the alphabets.

    Returns:
        The text, or nothing if there is none.
    """
    plain = token.translate(_STANDARD)
    return _decode_plain(plain) if _promises(plain) else ""


def _decode_plain(token: str) -> str:
    text = _from_hex(token) or _from_base32(token)
    if text or token.islower() or token.isupper():  # base64 of any text has letters of both cases
        return text
    return _from_base64(token)


def _is_hex(token: str) -> bool:
    return len(token) % 2 == 0 and _HEX.fullmatch(token) is not None


def _from_hex(token: str) -> str:
    if not _is_hex(token):
        return ""
    data = bytes.fromhex(token)
    return _from_wide(data) or readable(data)


def _from_base32(token: str) -> str:
    """Decode base32 of either alphabet; where the letters might be words, only if all of it is text."""
    if _BASE32.fullmatch(token):
        return _whole_base32(base64.b32decode, token, is_strict=False) or _whole_base32(base64.b32hexdecode, token)
    if len(token) < _SHORTEST_SMALL or not (token.islower() or token.isupper()):
        return ""
    large = token.upper()
    text = _whole_base32(base64.b32decode, large) if _BASE32.fullmatch(large) else ""
    return text or (_whole_base32(base64.b32hexdecode, large) if _BASE32HEX.fullmatch(large) else "")


def _whole_base32(decode: Callable[[str], bytes], token: str, *, is_strict: bool = True) -> str:
    try:
        data = decode(token + "=" * (-len(token) % 8))
    except binascii.Error:
        return ""
    return "" if is_strict and data.translate(None, _ASCII_TEXT) else readable(data)


def _from_base64(token: str) -> str:
    """Decode at each of the four places where a group may begin, since other letters may stand before it."""
    data = _bytes_of(token)
    text = _from_wide(data) or readable(data)
    if text:
        return text
    for shift in (1, 2, 3):
        text = readable(_bytes_of(token[shift:])) if _promises(token[shift:]) else ""
        if text:
            return text
    return ""


def _bytes_of(token: str) -> bytes:
    """Decode base64 whose padding is lost; what is not of the alphabet, such as white space, is passed over."""
    try:
        return _padded(token)
    except ValueError:  # other characters were counted as letters, or are not ASCII
        return _padded(_FOREIGN.sub("", token))


def _padded(token: str) -> bytes:
    usable = len(token) - (len(token) % 4 == 1)
    return binascii.a2b_base64(token[:usable] + "=" * (-usable % 4))


def _promises(token: str) -> bool:
    """Tell by samples from start, middle and end whether a token may hold text."""
    if _is_hex(token):
        return True
    if token.islower() or token.isupper():
        return False
    middle, last = len(token) // 8 * 4, (len(token) - _SAMPLE) // 4 * 4
    for begin in (0, middle, last) if last > middle else (0, middle):
        data = _bytes_of(token[begin : begin + _SAMPLE])
        if len(data.translate(None, _ASCII_TEXT)) * 4 <= len(data):
            return True
    return False


def _is_utf8(data: bytes) -> bool:
    """Tell whether bytes are a text in UTF-8, but perhaps for a character that is cut off at the end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _from_wide(data: bytes) -> str:
    """Read UTF-16, as PowerShell encodes its commands; the order of its bytes shows in where the zeros stand."""
    if len(data) < 12:
        return ""
    half = len(data) // 2
    for encoding, zeros in (("utf-16-le", data[1::2]), ("utf-16-be", data[::2])):
        if zeros.count(0) * 2 >= half:
            return readable(data[: len(data) & ~1].decode(encoding, "replace").encode("utf-8", "replace"))
    return ""
