"""Long words: what stands between two spaces, is longer than words are, and so may be a code.

Invariant: whoever is turned away here would have been decoded to nothing, but for base32 in small letters that happens
to hold no digit, which is taken for words. Addresses and names of programs are long words in much honest text, and
looking at them here takes a small part of the time of trying to decode them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

LONGEST: Final = 15
"""Characters of the longest word that is not long."""
JOINING: Final = "-_.+/~*|=,;:"
"""Signs by which words are joined that belong together, or that are to look as if they did."""
_ADDRESS: Final = re.compile(r"[\w+.-]{1,12}://")
_SPLIT: Final = 65_536
"""Characters of the longest text that is split at once."""
_LONG: Final = re.compile(rf"\S{{{LONGEST + 1},}}+")
_CODE_LENGTH: Final = 60
_CODE: Final = re.compile(
    r"([A-Za-z0-9+/]{32})[A-Za-z0-9+/]{28,}+={0,2}(?:\r?\n[A-Za-z0-9+/]{16,}+={0,2}(?![^\r\n]))*+"
)
_TURN: Final = re.compile("[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")
_VERY_LONG: Final = 20
_FEWEST_SIGNS: Final = 3
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}+")
_DIGITS: Final = re.compile(
    "[a-z0-9][A-Z]|[A-Z][0-9]|[0-9a-f]{16}|[0-9A-F]{16}|[A-Z2-7]{16}|[0-9A-V]{24}"
    "|(?=[a-z]{0,23}[2-7])[a-z2-7]{24}|(?=[a-v]{0,23}[0-9])[0-9a-v]{24}"
)
"""What stands in base64 of any text, forwards, backwards or turned by rot13, and in the others, which have one case;
small letters alone are words, since in base32 a fifth are digits."""


def long_words(text: str) -> Iterable[str]:
    """Return the long words of a text, in order.

    Args:
        text: Any text.

    Returns:
        Its words of more than ``LONGEST`` characters, with the signs that stand beside them.
    """
    if len(text) > _SPLIT:
        return (match[0] for match in _LONG.finditer(text))
    return _split(text)


@lru_cache(maxsize=4)
def _split(text: str) -> tuple[str, ...]:
    """Remembered for a moment, since several ask for the long words of one reading."""
    return tuple(word for word in text.split() if len(word) > LONGEST)


def begins_with_address(line: str) -> bool:
    """Tell an entry of a list of addresses from a line that was cut or torn.

    Args:
        line: Any line.

    Returns:
        Whether it begins with the scheme of an address.
    """
    return _ADDRESS.match(line) is not None


def shorten_codes(text: str) -> str:
    """Leave of each long code its beginning, for those who look for forms that no code has after its beginning.

    Args:
        text: Any text.

    Returns:
        The text; what may be base64, wrapped over lines or not, ends after some characters.
    """
    return _CODE.sub(r"\1", text) if any(len(word) >= _CODE_LENGTH for word in long_words(text)) else text


def may_hold_digits(text: str) -> bool:
    """Tell whether a text may hold base64, base32 or hexadecimal digits that decode to text.

    Args:
        text: Any text.

    Returns:
        False only if none of its long words does, or it is small letters alone.
    """
    return any(_DIGITS.search(run) for word in long_words(text) for run in _RUN.findall(word))


def joined_words(text: str) -> Iterable[str]:
    """Return the long words that may be several which run into each other.

    Args:
        text: Any text.

    Returns:
        Those that are very long, or hold the signs by which words are joined, and are no codes; in order.
    """
    return (word for word in long_words(text) if _may_be_joined(word) and not _is_code(word))


def holds_joined_words(text: str) -> bool:
    """Tell whether there are any; see ``joined_words``.

    Args:
        text: Any text.

    Returns:
        Whether there are.
    """
    return any(True for _ in joined_words(text))


def _is_code(word: str) -> bool:
    """Tell codes from words by how often small letters, capitals and digits take turns."""
    return len(word) >= _CODE_LENGTH and len(_TURN.findall(word)) * 2 > len(word)


def _may_be_joined(word: str) -> bool:
    """Tell whether there are signs by which words are joined, or more letters in a row than words have."""
    return sum(map(word.count, JOINING)) >= _FEWEST_SIGNS or any(
        len(run) >= _VERY_LONG for run in _LETTERS.findall(word)
    )
