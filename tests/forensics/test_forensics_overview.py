"""The overview by one scan is that of the pure functions, whatever the log holds."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_factory import allowed_story, governed_story

from aisecops_langchain.audit import AuditLog, read_log
from aisecops_langchain.domain.events import AnyEvent, Event
from aisecops_langchain.forensics.overview import row_of
from aisecops_langchain.forensics.sql import overview_of_log
from aisecops_langchain.forensics.trace import traces_of

NAMES = st.sampled_from(["trace-1", "trace-2", "tr'ace", 'tr"a\\ce', "träce\n"])


@st.composite
def runs(draw: st.DrawFn) -> list[AnyEvent]:
    """Some runs, each with events lost, repeated, moved in time or said by another agent."""
    made: list[AnyEvent] = []
    for trace in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        story = draw(st.sampled_from([allowed_story, governed_story]))(trace).events
        kept = [event for event in story if draw(st.booleans()) or draw(st.booleans())]
        kept += draw(st.lists(st.sampled_from(story), max_size=3))
        made += [_moved(event, draw(st.integers(0, 9)), draw(st.integers(-9, 9))) for event in kept]
    return made


def _moved(event: AnyEvent, kind: int, by: int) -> AnyEvent:
    if kind == 0:
        return event.model_copy(update={"time": event.time + timedelta(microseconds=by * 1001)})
    if kind == 1:
        return event.model_copy(update={"principal": event.principal.model_copy(update={"agent": "other"})})
    return event


@given(st.lists(runs(), min_size=1, max_size=2))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_scan_answers_as_the_pure_functions_do(segments: list[list[AnyEvent]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for segment in segments:
            with AuditLog.open(Path(folder), key=b"k" * 32) as log:
                for event in segment:
                    log.append(event)
        rows = overview_of_log(Path(folder))
        events = [
            event for entry in read_log(Path(folder)) if entry.is_event and isinstance(event := entry.parse(), Event)
        ]
    assert rows == tuple(sorted(map(row_of, traces_of(events)), key=lambda row: (row.started, row.trace)))


def test_a_run_that_the_scan_cannot_tell_is_found_among_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisecops_langchain.audit.span._CLOSE", 500)
    events = [event for number in range(40) for event in governed_story(f"run-{number:02}").events]
    cut = [event for event in events if event.trace != "run-17" or event.kind != "run_finished"]
    with AuditLog.open(tmp_path, key=b"k" * 32) as log:
        for event in cut:
            log.append(event)
    for few in (20_000, 0):  # read where it lies, or looked for in the whole log
        monkeypatch.setattr("aisecops_langchain.forensics.sql.overview._FEW", few)
        rows = overview_of_log(tmp_path)
        assert rows == tuple(sorted(map(row_of, traces_of(cut)), key=lambda row: (row.started, row.trace)))
        assert [row.trace for row in rows if row.outcome == "unfinished"] == ["run-17"]
