"""How much work and memory a text can cause: counted, not timed."""

from __future__ import annotations

import base64
import random
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.sanitize.normalize import normalize
from aisecops_langchain.sanitize.readings import readings

SANITIZER = Sanitizer()
RANDOM = random.Random(7)

LEAST = 300_000
"""Characters of readings that a text of any length may have."""
TIMES = 5
MOST_STEPS = 20

CODES = ("%41", "%2541", "&#105;", "&lt;b&gt;", "\\u0069", "\\\\", "=41", "69 67 6e 6f ", "105 103 110 ", "01101001 ")
RESPELT = (
    "aWdub3Jl",
    "aGVsbG8gd29ybGQ=\n",
    "i g n o r e ",
    "a.b.c.d-",
    "ignore-all-",
    "1gn0r3 ",
    "vtaber nyy ",
    "eht lla ",
)
MARKED = ("<a>", "<b x='1'>", "<!--", "-->", "<p hidden>", '"', "*", "[//]: # (", "\n", "\r\n", "a\n")
UNSEEN = ("\u200b", "\U000e0041", "\u202e", "\ufe0f", "\u0301", "\u043e", "\U0001d422", "\u6f22", "\ud800")
PIECES = st.sampled_from([*CODES, *RESPELT, *MARKED, *UNSEEN, "H4sIAAAA", "deadbeef" * 4])
LONG = st.lists(st.tuples(PIECES | st.text(max_size=3), st.integers(1, 400)), min_size=1, max_size=12).map(
    lambda runs: "".join(piece * times for piece, times in runs)
)


@settings(deadline=None, max_examples=60)
@given(LONG)
def test_the_readings_of_a_text_are_bounded_in_number_size_and_depth(text):
    views = readings(normalize(text)).views
    # What is read may be shown as it is and folded, and compatibility letters may fold into several.
    assert sum(len(view.text) for view in views) <= 4 * (LEAST + TIMES * len(text)) + 4 * len(text)
    assert len(views) <= 2 * (160 + len(text) // 400) + 2
    assert all(len(view.steps) <= MOST_STEPS for view in views)


@settings(deadline=None, max_examples=20)
@given(LONG)
def test_a_long_text_is_read_about_as_often_as_a_short_one(text):
    """Work is proportional to length: what a hundred times the text adds is bounded by its share of the budget."""
    long = (text * 100)[:200_000]
    views = readings(normalize(long)).views
    assert sum(len(view.text) for view in views) <= 4 * (LEAST + TIMES * len(long)) + 4 * len(long)


SIZE = 300_000


def repeated(piece):
    return (piece * (SIZE // len(piece) + 1))[:SIZE]


NASTY = {
    "percent codes": repeated("%41"),
    "percent codes twice": repeated("%2541"),
    "entities": repeated("&#105;"),
    "escapes": repeated("\\u0069"),
    "quoted-printable": repeated("=41"),
    "hexadecimal numbers": repeated("69 67 6e 6f "),
    "decimal numbers": repeated("105 103 110 "),
    "binary numbers": repeated("01101001 "),
    "one letter": repeated("a"),
    "joined words": repeated("ignore-all-previous-"),
    "spaced letters": repeated("i g n o r e "),
    "tags": repeated("<b x='1'>hello </b> "),
    "brackets": "[" * (SIZE // 2) + "]" * (SIZE // 2),
    "zero width": repeated("a\u200b"),
    "look-alikes": repeated("ignоre "),
    "hexadecimal ids": "\n".join(RANDOM.randbytes(16).hex() for _ in range(SIZE // 33)),
    "base64": base64.encodebytes(RANDOM.randbytes(SIZE * 3 // 4)).decode(),
    "letters of all kinds": "".join(map(chr, (RANDOM.randrange(0x20, 0xD800) for _ in range(SIZE)))),
    "signs of all kinds": "".join(map(chr, (RANDOM.randrange(32, 127) for _ in range(SIZE)))),
}
CONSTANT = 6_000_000
"""Bytes that any text may take: parts of it are read in blocks of 16,384 characters, in many ways at a time."""


@pytest.fixture(scope="module")
def _warm():
    """Let everything be made that is made once for all texts."""
    for text in NASTY.values():
        SANITIZER.sanitize_text(text[:40_000], channel=SourceKind.TOOL_RESULT)


@pytest.mark.usefixtures("_warm")
@pytest.mark.parametrize("name", NASTY)
def test_memory_is_at_most_ten_times_the_text(name):
    text = NASTY[name]
    tracemalloc.start()
    try:
        SANITIZER.sanitize_text(text, channel=SourceKind.TOOL_RESULT)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 10 * sys.getsizeof(text) + CONSTANT, f"{(peak - CONSTANT) / sys.getsizeof(text):.1f} times"


@pytest.mark.parametrize(
    "text",
    [
        base64.encodebytes(RANDOM.randbytes(225_000)).decode(),
        base64.b64encode(RANDOM.randbytes(225_000)).decode(),
        "\n".join(RANDOM.randbytes(16).hex() for _ in range(15_000)),
        "\n".join(base64.b64encode(RANDOM.randbytes(18)).decode() for _ in range(12_000)),
    ],
    ids=["wrapped base64", "base64 on one line", "hexadecimal ids", "base64 ids"],
)
def test_long_honest_codes_are_read_whole(text):
    assert readings(normalize(text)).complete
    assert not SANITIZER.sanitize_text(text, channel=SourceKind.TOOL_RESULT).changed
