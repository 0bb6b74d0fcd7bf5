"""Text that rides along unseen, and text whose order on the screen is not that of its characters.

Invariant: whatever these carriers spell is read before they are stripped, and is traced to the run that held it. The
three flags that Unicode recommends to be spelt with tags carry nothing.

Carriers: Unicode tag characters, runs of variation selectors (a byte each), and runs of two kinds of zero-width
characters (a bit each).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from aisecops_langchain.sanitize.steps import Alphabet, Edit, Editing, Extraction, Substitution

FLAG: Final = (
    "\U0001f3f4\U000e0067\U000e0062"
    "(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
"""Pattern of the flags of England, Scotland and Wales: the only tag sequences in general use."""

_ZERO_WIDTH: Final = "\u200b\u200c\u200d\u2060-\u2064\ufeff\u200e\u200f\u180e"
_CARRIERS: Final = re.compile(
    f"(?P<flag>{FLAG})|(?P<tags>[\U000e0000-\U000e007f]+)"
    f"|(?P<bytes>[\ufe00-\ufe0f\U000e0100-\U000e01ef]{{4,}})|(?P<bits>[{_ZERO_WIDTH}]{{16,}})"
)
_BIDI: Final = re.compile("[\u202e\u202b\u2067]([^\u202c\u2069]*)[\u202c\u2069]?")
_UNSEEN: Final = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)
_GLUED: Final = re.compile(
    rf"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{{0,512}}(?:\x07|\x1b\\)|(?<=\w)[{_UNSEEN}]+(?=\w)"
)
"""Commands to a terminal, and what no reader sees between two words; without it the words are one."""
_TAGS: Final = {0xE0000 + code: code for code in (10, *range(32, 127))}
_MAX_RUNS: Final = 20_000
_MAX_BITS: Final = 65_536
_SELECTOR_BASE: Final = 0xFE00
_SUPPLEMENT_BASE: Final = 0xE0100


def _carried(raw: str) -> Iterator[Edit]:
    """Yield what is carried, run by run; a text that holds more runs is read in its place all the same."""
    for run in islice(_CARRIERS.finditer(raw), _MAX_RUNS):
        if run["flag"]:
            continue
        if run["tags"]:
            text = run[0].translate(_TAGS)
        elif run["bytes"]:
            text = _readable(bytes(map(_byte, run[0])).decode("utf-8", "ignore"))
        else:
            text = _from_bits(run[0][:_MAX_BITS])
        if text:
            yield Edit(run.start(), run.end(), text)


def _byte(selector: str) -> int:
    code = ord(selector)
    return code - _SUPPLEMENT_BASE + 16 if code >= _SUPPLEMENT_BASE else code - _SELECTOR_BASE


def _from_bits(run: str) -> str:
    """Read two kinds of characters as bits, either way round; a third kind only separates."""
    kinds = sorted(set(run), key=lambda kind: -run.count(kind))[:2]
    if len(kinds) < 2:
        return ""
    bits = "".join(character for character in run if character in kinds)
    for zero, one in (kinds, kinds[::-1]):
        digits = bits.translate({ord(zero): "0", ord(one): "1"})
        for width in (8, 7):
            letters = "".join(chr(int(digits[at : at + width], 2)) for at in range(0, len(digits) - width + 1, width))
            if letters and _readable(letters) == letters:
                return letters
    return ""


def _readable(text: str) -> str:
    return "".join(letter for letter in text if letter == "\n" or letter.isprintable())


SMUGGLED: Final = (Alphabet("smuggled", _TAGS), Editing("smuggled", _carried))
"""What is carried unseen, read in its place."""
SMUGGLED_ALONE: Final = Extraction("smuggled", _carried)
"""What is carried unseen, without what is seen."""
PARTED: Final = Substitution("parted", _GLUED, lambda run: " " * len(run[0]))
"""Words that are held apart by nothing but what is stripped."""
DISPLAYED: Final = Substitution("bidi", _BIDI, lambda run: run[1][::-1])
"""What runs from right to left, in the order of the screen."""
