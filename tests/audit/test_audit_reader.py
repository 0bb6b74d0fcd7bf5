"""The reader: yields what is there, whatever is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_log_helpers import KEY, OTHER_KEY, StepClock, only_segment, run_started, write_closed_log
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.audit import AuditLog, Durability, read_log, read_segment
from aisecops_langchain.audit.lines import MAX_LINE_BYTES, join_line, split_line
from aisecops_langchain.errors import AuditFormatError


def event_ids(path: Path) -> list[str]:
    return [entry.id for entry in read_log(path) if entry.is_event]


def test_segments_are_merged_by_time_and_events_told_once(tmp_path):
    """Two processes of one run: one story, and what both recorded appears once."""
    with (
        AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE) as one,
        AuditLog.open(tmp_path, key=OTHER_KEY, durability=Durability.NONE) as two,
    ):
        for number in range(0, 10, 2):
            one.append(run_started(number))
        for number in (1, 3, 4, 5, 7, 9):
            two.append(run_started(number))
    assert event_ids(tmp_path) == [f"event-{number}" for number in range(10)]


def test_the_order_of_a_segment_is_kept_when_its_clock_went_back(tmp_path):
    with AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE) as log:
        for number in (5, 3, 9, 1):
            log.append(run_started(number))
    assert event_ids(tmp_path) == ["event-5", "event-3", "event-9", "event-1"]


def test_one_segment_can_be_read_alone(tmp_path):
    write_closed_log(tmp_path, 3)
    assert event_ids(only_segment(tmp_path)) == ["event-0", "event-1", "event-2"]


def test_more_segments_than_open_files(tmp_path):
    """Merging does not keep a file open for each segment."""
    resource = pytest.importorskip("resource")
    for number in range(40):
        with AuditLog.open(tmp_path, key=KEY, durability=Durability.NONE, clock=StepClock()) as log:
            log.append(run_started(number))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = max(int(name.name) for name in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 12, hard))
    try:
        assert len(event_ids(tmp_path)) == 40
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_torn_last_line_is_an_entry_with_an_error(tmp_path):
    segment = write_closed_log(tmp_path, 2)
    segment.write_bytes(segment.read_bytes()[:-10])
    *whole, torn = read_segment(segment)
    assert [entry.error for entry in whole] == [None] * 3
    assert "without an end" in str(torn.error)
    with pytest.raises(AuditFormatError):
        torn.parse()


@pytest.mark.parametrize(
    "body",
    [b'{"', b'{"v":1}', b'{"kind":1}', b'{"kind":"x","id":"y"}', b'{"kind":"x","id":"y","time":"noon"}',
     b'{"kind":"x","id":"y","time":"2030-01-01T00:00:00"}', b'{"kind":"segment_opened"}'],
)  # fmt: skip
def test_a_line_without_sense_hides_nothing_after_it(tmp_path, body):
    segment = write_closed_log(tmp_path, 1)
    lines = segment.read_bytes().splitlines()
    segment.write_bytes(b"\n".join([lines[0], join_line(1, "0" * 64, body), lines[1], b""]))
    entries = list(read_segment(segment))
    assert [entry.error is None for entry in entries] == [True, False, True]
    assert entries[1].raw == join_line(1, "0" * 64, body)
    assert event_ids(tmp_path) == ["event-0"]


def test_an_entry_of_an_unknown_kind_is_refused_when_parsed(tmp_path):
    segment = write_closed_log(tmp_path, 1)
    body = split_line(segment.read_bytes().splitlines()[1]).body.replace(b"run_started", b"run_stalled")
    segment.write_bytes(join_line(1, "0" * 64, body) + b"\n")
    (entry,) = read_segment(segment)
    assert entry.error is None
    with pytest.raises(AuditFormatError):
        entry.parse()


@settings(deadline=None, max_examples=200)
@given(garbage=st.lists(st.binary(max_size=80) | st.sampled_from([join_line(0, "0" * 64, b'{"kind":[]}')])))
def test_reading_never_raises_on_content(tmp_path_factory, garbage):
    segment = tmp_path_factory.mktemp("log") / "segment-20300101T000000000000-00000000.jsonl"
    segment.write_bytes(b"\n".join(garbage))
    for entry in read_segment(segment):
        assert entry.error is not None
    if garbage:
        list(read_log(segment.parent))


def test_an_oversized_line_is_read_in_pieces(tmp_path):
    """A file without newlines does not fill the memory."""
    segment = write_closed_log(tmp_path, 1)
    good = segment.read_bytes()
    segment.write_bytes(b"x" * (2 * MAX_LINE_BYTES + 5) + b"\n" + good)
    entries = list(read_segment(segment))
    assert max(len(entry.raw) for entry in entries) <= MAX_LINE_BYTES
    assert [entry.kind for entry in entries if entry.error is None] == [
        "segment_opened", "run_started", "segment_closed",
    ]  # fmt: skip


def test_no_log_is_an_error_at_once(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(AuditFormatError, match="no audit log"):
            read_log(path)
