"""Text that rides along unseen: Unicode tag characters and runs of variation selectors.

Invariant: whatever these carriers spell is read before they are stripped, and every character read has the position
of the carrier that held it. The three flags that Unicode recommends to be spelt with tags carry nothing.
"""

from __future__ import annotations

import re
from array import array
from typing import Final

FLAG: Final = (
    "\U0001f3f4\U000e0067\U000e0062"
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
"""Pattern of the flags of England, Scotland and Wales: the only tag sequences in general use."""

_CARRIERS: Final = re.compile(f"(?P<flag>{FLAG})|[\U000e0000-\U000e007f]+|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{{4,}}")
_TAG_BASE: Final = 0xE0000
_TAG_LAST: Final = 0xE007F
_SELECTOR_BASE: Final = 0xFE00
_SUPPLEMENT_BASE: Final = 0xE0100


def read_hidden(raw: str) -> tuple[str, array[int]]:
    """Read what invisible carriers spell.

    Args:
        raw: The raw text, nothing stripped.

    Returns:
        The hidden text, separate runs on separate lines, and the raw position of each of its characters.
    """
    letters: list[str] = []
    positions = array("I")
    for run in _CARRIERS.finditer(raw):
        if run["flag"] is not None:
            continue
        if letters:
            letters.append("\n")
            positions.append(run.start())
        for offset, carrier in enumerate(run[0]):
            letter = _decode(ord(carrier))
            if letter is not None:
                letters.append(letter)
                positions.append(run.start() + offset)
    return "".join(letters), positions


def _decode(code: int) -> str | None:
    """Return the ASCII character that a carrier stands for: a tag shifts it, a selector numbers its byte."""
    if _TAG_BASE <= code <= _TAG_LAST:
        value = code - _TAG_BASE
    elif code >= _SUPPLEMENT_BASE:
        value = code - _SUPPLEMENT_BASE + 16
    else:
        value = code - _SELECTOR_BASE
    letter = chr(value)
    return letter if letter == "\n" or (letter.isascii() and letter.isprintable()) else None
