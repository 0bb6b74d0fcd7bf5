"""Scanning a log for events of some kinds: nothing wanted is passed over, nothing unreadable goes uncounted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "forensics"))  # shares the hand-made events

from drift_kit import bundle, event, request
from trace_factory import governed_story

from aisecops_langchain.audit import AuditLog, read_log
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.scan import Scan
from aisecops_langchain.errors import AuditFormatError

DECISIONS = {"decision_made"}


def write(home: Path, events) -> Path:
    with AuditLog.open(home, key=b"k" * 32) as log:
        for item in events:
            log.append(item)
        log.commit()
    return segment_paths(home)[-1]


def test_it_finds_what_reading_everything_finds(tmp_path: Path) -> None:
    write(tmp_path, [*governed_story().events, event(request(amount=5), bundle())])
    for kinds in (DECISIONS, {"model_started", "plan_created"}, {"nothing"}):
        scan = Scan(tmp_path, kinds)
        found = [fields["id"] for fields in scan]
        assert found == [entry.id for entry in read_log(tmp_path) if entry.kind in kinds]
        assert scan.unreadable == 0


def test_an_event_that_two_processes_recorded_is_found_once(tmp_path: Path) -> None:
    item = event(request(amount=5), bundle())
    write(tmp_path, [item])
    write(tmp_path, [item, event(request(amount=6), bundle())])
    assert len(list(Scan(tmp_path, DECISIONS))) == 2


@pytest.mark.parametrize(
    "broken",
    [
        b"garbage\n",
        b"\n",
        b'{"kind":"decision_made"}\n',
        b'{"seq":1,"prev":"' + b"0" * 64 + b'","v":1,"kind":"decision_made",\n',
        b'{"seq":1,"prev":"' + b"0" * 64 + b'","v":1,"kind":"other"',
        b"[1]\n",
    ],
)
def test_a_line_that_makes_no_sense_is_counted_and_hides_nothing(tmp_path: Path, broken: bytes) -> None:
    segment = write(tmp_path, [event(request(amount=5), bundle())])
    whole = segment.read_bytes()
    complete = broken.endswith(b"\n")
    segment.write_bytes(broken + whole if complete else whole + broken)
    scan = Scan(tmp_path, DECISIONS)
    assert len(list(scan)) == 1
    assert scan.unreadable == 1


def test_a_decision_that_hides_behind_another_order_of_keys_is_found(tmp_path: Path) -> None:
    segment = write(tmp_path, [event(request(amount=5), bundle())])
    place = b'{"seq":9,"prev":"' + b"0" * 64 + b'",'
    with segment.open("ab") as file:
        file.write(place + b'"id":"x","kind":"decision_made"}\n' + b'{"kind":"decision_made","id":"y"}\n')
    scan = Scan(tmp_path, DECISIONS)
    assert [fields["id"] for fields in scan][1:] == ["x", "y"]


def test_where_there_is_no_log_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(AuditFormatError):
        list(Scan(tmp_path / "nowhere", DECISIONS))
