"""Frames around untrusted content: not to be guessed, not to be closed from inside, and gone from what comes back."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisecops_langchain.domain.inspection import Spotlight
from aisecops_langchain.errors import SanitizeError
from aisecops_langchain.sanitize import Frame, choose_frame

STYLES = [Spotlight.DELIMIT, Spotlight.DATAMARK]
MARK = "QK7TZB3M"
PIECES = [*"ab \n\t[]QK7", MARK, MARK.lower(), f"{MARK}]", "ＱＫ７ＴＺＢ３Ｍ", "ä"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def marks(number):
    return MARK + "A" * 4 if number == 0 else hashlib.sha256(str(number).encode()).hexdigest()


@pytest.mark.parametrize("style", STYLES)
@given(st.lists(TEXTS, max_size=4))
def test_no_content_holds_the_mark_of_its_frame(style, texts):
    frame, suspects = choose_frame(style, texts, marks)
    assert not any(frame.is_in(text) for text in texts)
    assert suspects == {text for text in texts if Frame(style, marks(0)[: len(frame.mark)]).is_in(text)}


@pytest.mark.parametrize("style", STYLES)
@given(st.text(alphabet="ab \n\t", max_size=40))
def test_what_is_shown_begins_and_ends_with_the_mark_and_holds_every_word(style, text):
    frame = Frame(style, MARK)
    shown = frame.show(text)
    assert shown.replace(MARK, " ").split() == (["[", *text.split(), "]"] if text else [])
    if text:
        assert shown.startswith(f"[{MARK}\n")
        assert shown.endswith(f"\n{MARK}]")


@given(st.text(alphabet="ab \n", max_size=40))
def test_datamarks_stand_before_every_line_and_between_all_words(text):
    inner = Frame(Spotlight.DATAMARK, MARK).show(text).split("\n")[1:-1]
    assert all(line.startswith(f"{MARK} ") for line in inner)
    for line in inner:
        words = [word for word in line.split(" ") if word]
        assert not any(one != MARK and other != MARK for one, other in pairwise(words))


@pytest.mark.parametrize("style", STYLES)
@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=5), min_size=1, max_size=6))
def test_marks_that_a_model_took_over_are_stripped_again(style, words):
    frame = Frame(style, MARK)
    text = " ".join(words)
    assert frame.strip(frame.show(text)) == text
    assert frame.strip(text) == text
    assert MARK not in frame.strip(f"{MARK}{text}{MARK}{MARK}")


def test_a_mark_is_found_in_any_spelling_place_and_key():
    frame = Frame(Spotlight.DELIMIT, MARK)
    for value in (f"x{MARK}x", MARK.lower(), "ＱＫ７ＴＺＢ３Ｍ", [1, [MARK]], {"a": {MARK: 1}}, {"a": [None, MARK]}):
        assert frame.is_in(value)
    for value in ("QK7TZB3", 5, None, [], {"a": "b"}):
        assert not frame.is_in(value)


def test_content_that_holds_every_mark_is_not_shown():
    with pytest.raises(SanitizeError):
        choose_frame(Spotlight.DELIMIT, ["A" * 12], lambda _: "A" * 52)


def test_the_model_is_told_the_mark():
    for style in STYLES:
        assert MARK in Frame(style, MARK).instruction
        assert "{" not in Frame(style, MARK).instruction
