"""The index finds what a scan finds, and an index that lies is found out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import chain, zip_longest
from pathlib import Path

import orjson
import pytest
from trace_factory import allowed_story, governed_story

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.forensics.index import TraceIndex

KEY = b"k" * 32


def write(log: Path, events: list[AnyEvent]) -> None:
    with AuditLog.open(log, key=KEY) as opened:
        for event in events:
            opened.append(event)


def scan(log: Path, trace: str) -> list[bytes]:
    lines = (line for path in sorted(log.glob("*.jsonl")) for line in path.read_bytes().splitlines())
    return [line for line in lines if orjson.loads(line).get("trace") == trace]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    pairs = zip_longest(governed_story("trace-1").events, allowed_story("trace-2").events)
    write(tmp_path / "log", [event for event in chain.from_iterable(pairs) if event is not None])
    return tmp_path / "log"


@pytest.fixture
def index(log: Path, tmp_path: Path) -> TraceIndex:
    made = TraceIndex(log, tmp_path / "derived")
    assert made.lines("trace-1") == scan(log, "trace-1")
    return made


def test_it_finds_what_a_scan_finds_and_goes_on_with_the_log(log: Path, index: TraceIndex) -> None:
    for round_ in range(3):
        write(log, allowed_story("trace-2").events[round_:])
        assert index.lines("trace-2") == scan(log, "trace-2")
        assert index.lines("trace-1") == scan(log, "trace-1")
    assert index.lines("nobody") == []
    assert index.rebuilt == 0


def test_another_process_finds_the_same(log: Path, index: TraceIndex, tmp_path: Path) -> None:
    other = TraceIndex(log, tmp_path / "derived")
    assert other.lines("trace-2") == scan(log, "trace-2")
    assert other.rebuilt == 0


def test_it_is_made_anew_when_it_was_deleted_or_is_no_index(log: Path, index: TraceIndex, tmp_path: Path) -> None:
    index.close()
    (tmp_path / "derived" / "index.sqlite3").write_bytes(b"no database at all" * 100)
    again = TraceIndex(log, tmp_path / "derived")
    assert again.lines("trace-1") == scan(log, "trace-1")
    assert again.rebuilt == 1


LIES = [
    "DELETE FROM runs",
    "DELETE FROM runs WHERE part = 1",
    "DELETE FROM runs WHERE trace = (SELECT min(trace) FROM runs)",
    "DELETE FROM runs WHERE trace = (SELECT max(trace) FROM runs)",
    "DELETE FROM parts WHERE part = 1",
    "UPDATE parts SET runs = x''",
    "UPDATE runs SET lines = substr(lines, 1, 48)",
    "UPDATE runs SET lines = (SELECT lines FROM runs WHERE part = 1)",
    "UPDATE runs SET (lines, seal) = (SELECT lines, seal FROM runs WHERE part = 1)",
    "UPDATE runs SET trace = CASE trace WHEN (SELECT min(trace) FROM runs) THEN 'other' ELSE trace END",
    "UPDATE state SET data = x'7b7d'",
    "DELETE FROM state",
    "DROP TABLE runs",
    "PRAGMA user_version = 7",
]


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_is_found_out(log: Path, index: TraceIndex, tmp_path: Path, lie: str) -> None:
    write(log, allowed_story("trace-2").events)
    assert index.lines("trace-2") == scan(log, "trace-2")
    index.close()
    with closing(sqlite3.connect(tmp_path / "derived" / "index.sqlite3")) as db, db:
        db.execute(lie)
    again = TraceIndex(log, tmp_path / "derived")
    assert again.lines("trace-1") == scan(log, "trace-1")
    assert again.lines("trace-2") == scan(log, "trace-2")
    assert again.rebuilt >= 1


def test_a_segment_that_was_changed_cut_or_replaced_makes_it_anew(log: Path, index: TraceIndex) -> None:
    (segment,) = log.glob("*.jsonl")
    whole = segment.read_bytes()
    half = whole[: len(whole) // 2].rpartition(b"\n")[0] + b"\n"
    for changed in (whole.replace(b'"procurement"', b'"procuremenT"'), half):
        segment.write_bytes(changed)
        before = index.rebuilt
        assert index.lines("trace-1") == scan(log, "trace-1")
        assert index.rebuilt > before
    segment.unlink()
    write(log, allowed_story("trace-3").events)
    assert index.lines("trace-3") == scan(log, "trace-3")
    assert index.lines("trace-1") == []


def test_a_torn_line_is_not_indexed_until_it_is_whole(log: Path, index: TraceIndex) -> None:
    (segment,) = log.glob("*.jsonl")
    whole = segment.read_bytes()
    extra = scan(log, "trace-1")[0]
    segment.write_bytes(whole + extra[:50])
    assert len(index.lines("trace-1")) == len(governed_story().events)
    segment.write_bytes(whole + extra + b"\n")
    assert index.lines("trace-1") == scan(log, "trace-1")
