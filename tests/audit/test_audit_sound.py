"""What is spared when lines are checked changes no verdict."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "forensics"))

from drift_kit import bundle, event, request
from trace_factory import governed_story

from aisecops_langchain.audit.lines import GENESIS, join_line, split_line
from aisecops_langchain.audit.reader import parse_body
from aisecops_langchain.audit.sound import SoundEvents
from aisecops_langchain.errors import AuditFormatError


def story(number: int) -> list[bytes]:
    """The lines of one run, with ids of its own."""
    events = [*governed_story("TRACE").events, event(request(amount=5), bundle(), number=0)]
    texts = [item.model_dump_json().replace("TRACE", f"{number:032x}") for item in events]
    return [join_line(place, GENESIS, text.encode()) for place, text in enumerate(texts)]


LINES = [line for number in range(3) for line in story(number)]
PIECES = st.sampled_from(
    [b"", b"x", b'"', b"\\", b"\n", b"\xff", b"0", b"a", b"null", b"NaN", b"1e999", b"{}", b"[", b"}", b",", b":",
     b"2026-02-30T00:00:00Z", b"2026-03-01T24:00:00Z", b"2026-03-01T23:59:60Z", b"2026-03-01T09:00:00.123456Z",
     b"2026-03-01T09:00:00", b"sha256:" + b"0" * 64, b"f" * 64, b"F" * 64, b"allow", b"untrusted", b"run_started",
     b'"id":"x",', b'"kind":"y",', b'"v":2,', "é".encode(), b"\\ud800"]
)  # fmt: skip


def taught() -> SoundEvents:
    sound = SoundEvents()
    for line in LINES:
        assert sound.read(line) is None
    return sound


def reads(line: bytes) -> bool:
    parts = split_line(line)
    if parts is None:
        return False
    try:
        parse_body(parts.body)
    except AuditFormatError:
        return False
    return True


def passes(sound: SoundEvents, line: bytes) -> bool:
    try:
        sound.read(line)
    except AuditFormatError:
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(line=st.sampled_from(story(7)), data=st.data())
def test_a_changed_line_passes_exactly_if_it_is_an_event(line: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(60, len(line)))
    end = min(len(line), begin + data.draw(st.sampled_from([0, 1, 2, 20, 32, 64])))
    changed = line[:begin] + data.draw(PIECES) + line[end:]
    assert passes(taught(), changed) == reads(changed)


@pytest.mark.parametrize(
    "time",
    [
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-03-01T09:00:61Z",
        "soon",
    ],
)
def test_a_time_that_is_none_is_found_in_a_line_that_is_else_like_others(time: str) -> None:
    sound = taught()
    for line in story(8):
        start = line.index(b'"time":"') + 8
        changed = line[:start] + time.encode() + line[line.index(b'"', start) :]
        assert passes(sound, changed) == reads(changed)
        if time == "soon":
            assert not passes(sound, changed)


def test_lines_like_others_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sound, read = taught(), []
    monkeypatch.setattr("aisecops_langchain.audit.sound.parse_body", read.append)
    for line in story(9):
        sound.read(line)
    assert len(read) < len(story(9)) / 2


def test_a_log_in_which_all_lines_differ_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisecops_langchain.audit.alike._TRIES", 20)
    sound, tried = SoundEvents(), []
    learn = sound._learn
    monkeypatch.setattr(sound, "_learn", lambda line, head: (tried.append(line), learn(line, head)))
    for number in range(500):
        text = event(request(amount=5, text="x" * number), bundle(), number=number).model_dump_json()
        sound.read(join_line(number, GENESIS, text.encode()))
    assert 0 < len(tried) < 30
