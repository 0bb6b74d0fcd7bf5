"""The roster says what the pure functions say, however the log grew, and begins anew where it is another log."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_factory import PRINCIPAL, START, Story, allowed_story, governed_story

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.domain.events import AnyEvent, RunFinished, RunPaused, RunStarted
from aisecops_langchain.errors import IndexFaultError
from aisecops_langchain.forensics.overview import row_of
from aisecops_langchain.forensics.roster import Roster, RunFilter, RunRow, asking
from aisecops_langchain.forensics.roster.gathering import Gathering
from aisecops_langchain.forensics.roster.takes import take
from aisecops_langchain.forensics.roster.telling import figures_of
from aisecops_langchain.forensics.roster.telling import row_of as told
from aisecops_langchain.forensics.roster.words import runs_with
from aisecops_langchain.forensics.trace import traces_of

KEY = b"k" * 32


def write(folder: Path, events: list[AnyEvent]) -> Path:
    with AuditLog.open(folder, key=KEY) as log:
        for event in events:
            log.append(event)
    return folder


def segment_of(log: Path) -> Path:
    return max(log.glob("*.jsonl"))


def rows(roster: Roster, wanted: RunFilter | None = None) -> dict[str, RunRow]:
    return {row.trace: row for row in asking.find(roster.file, wanted or RunFilter(), offset=0, limit=100)[1]}


@st.composite
def runs(draw: st.DrawFn) -> list[AnyEvent]:
    """Some runs with events lost and moved in time."""
    made: list[AnyEvent] = []
    for trace in draw(st.lists(st.sampled_from(["one", 'tw"o\\', "thrée\n"]), min_size=1, max_size=3, unique=True)):
        story = draw(st.sampled_from([allowed_story, governed_story]))(trace).events
        for event in story:
            if draw(st.integers(0, 3)):
                by = draw(st.sampled_from([0, 0, 0, -1001, 1001]))
                made.append(event.model_copy(update={"time": event.time + timedelta(microseconds=by)}))
    return made


@given(runs(), st.randoms(use_true_random=False), st.integers(1, 5))
@settings(max_examples=25)
def test_rows_are_those_of_the_pure_functions_in_whatever_order_and_portions_the_log_grew(
    events: list[AnyEvent], chance: random.Random, portions: int
) -> None:
    shuffled = [*events, *chance.sample(events, len(events) // 3)]
    chance.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        log, roster = Path(folder) / "audit", None
        for number in range(portions):
            write(log, shuffled[number::portions])
            roster = Roster(log, Path(folder) / "derived")
            list(roster.update())
        assert roster is not None
        found = rows(roster)
    expected = {trace.id: row_of(trace) for trace in traces_of(events)}
    assert found.keys() == expected.keys()
    for name, row in found.items():
        pure = expected[name]
        assert (row.outcome, row.started, row.duration_ms) == (pure.outcome, pure.started, pure.duration_ms)
        assert (row.allowed, row.asked, row.denied) == (pure.allowed, pure.asked, pure.denied)
        assert (row.executed, row.events, row.agent) == (pure.executed, pure.events, pure.agent)


@given(st.randoms(use_true_random=False), st.integers(0, 27))
@settings(max_examples=25)
def test_a_gathering_that_was_put_aside_goes_on_as_if_it_had_stayed(chance: random.Random, cut: int) -> None:
    events = [orjson.loads(event.model_dump_json()) for event in governed_story().events]
    stayed, interrupted = Gathering("trace-1"), Gathering("trace-1")
    for fields in events:
        take(stayed, fields)
    chance.shuffle(events)
    for fields in events[:cut]:
        take(interrupted, fields)
    interrupted = Gathering.from_bytes(interrupted.to_bytes())
    for fields in events:  # some of them once more
        take(interrupted, fields)
    assert told(interrupted) == told(stayed)
    assert figures_of(interrupted) == figures_of(stayed)


def test_a_run_is_paused_while_somebody_is_asked_and_says_how_many(tmp_path: Path) -> None:
    story = Story()
    story.add(RunStarted)
    story.add(RunPaused, waiting_for="approval-1")
    roster = Roster(write(tmp_path / "audit", story.events), tmp_path / "derived")
    list(roster.update())
    assert (rows(roster)["trace-1"].outcome, rows(roster)["trace-1"].waiting) == ("paused", 1)


def test_it_takes_in_only_what_was_added_and_says_of_which_runs_that_is(tmp_path: Path) -> None:
    log = write(tmp_path / "audit", allowed_story("one").events)
    roster = Roster(log, tmp_path / "derived")
    assert [sorted(growth.runs) for growth in roster.update()] == [["one"]]
    write(log, allowed_story("two").events)
    assert roster.behind() > 0
    (growth,) = roster.update()
    assert (growth.runs, "run_finished" in growth.kinds) == ({"two": frozenset({"acme"})}, True)
    assert (list(roster.update()), roster.behind()) == ([], 0)


def test_a_half_written_line_is_waited_for(tmp_path: Path) -> None:
    log = write(tmp_path / "audit", allowed_story().events)
    segment = segment_of(log)
    whole = segment.read_bytes()
    *_, last = whole.splitlines(keepends=True)
    segment.write_bytes(whole[: -len(last) // 2])
    roster = Roster(log, tmp_path / "derived")
    list(roster.update())
    segment.write_bytes(whole)
    list(roster.update())
    assert (roster.unreadable(), rows(roster)["trace-1"].events, roster.rebuilt) == (0, 7, 0)


def test_lines_that_are_no_events_are_counted_and_hide_nothing(tmp_path: Path) -> None:
    log = write(tmp_path / "audit", allowed_story().events)
    story_end = allowed_story().events[-1]
    odd = [
        b"no json",
        b"[]",
        b'{"kind":"run_started"}',
        b'{"kind":"of_no_schema","trace":"trace-1","id":"x","time":"2026-03-01T09:00:00Z"}',
        b'{"kind":"run_started","trace":"trace-1","id":"x","time":"never","principal":{}}',
        orjson.dumps(story_end.model_dump(mode="json") | {"id": "x", "outcome": "splendid"}),
    ]
    with segment_of(log).open("ab") as file:
        file.write(b"".join(line + b"\n" for line in odd))
    roster = Roster(log, tmp_path / "derived")
    list(roster.update())
    assert roster.unreadable() == len(odd)
    assert (rows(roster)["trace-1"].events, rows(roster)["trace-1"].outcome) == (7, "completed")


@pytest.mark.parametrize("damage", ["cut", "other", "gone"])
def test_it_begins_anew_where_the_log_is_not_the_one_it_covers(tmp_path: Path, damage: str) -> None:
    log = write(tmp_path / "audit", [*allowed_story("one").events, *allowed_story("two").events])
    roster = Roster(log, tmp_path / "derived")
    list(roster.update())
    segment = segment_of(log)
    if damage == "cut":
        segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:5]))
    elif damage == "other":
        segment.write_bytes(segment.read_bytes().replace(b'"two"', b'"six"'))
    else:
        segment.unlink()
    list(roster.update())
    assert roster.rebuilt == 1
    assert set(rows(roster)) == {"cut": {"one"}, "other": {"one", "six"}, "gone": set()}[damage]


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    log = write(tmp_path / "audit", allowed_story().events)
    list(Roster(log, tmp_path / "derived").update())
    (tmp_path / "derived" / "roster.sqlite3").write_bytes(b"no database at all" * 500)
    roster = Roster(log, tmp_path / "derived")
    list(roster.update())
    assert (roster.rebuilt, set(rows(roster))) == (1, {"trace-1"})


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexFaultError):
        Roster(tmp_path, tmp_path / "file" / "derived")


def test_a_run_that_touches_another_organisation_is_in_no_answer_and_no_count(tmp_path: Path) -> None:
    ours, theirs, both = (allowed_story(name).events for name in ("ours", "theirs", "both"))
    other = PRINCIPAL.model_copy(update={"tenant": "other"})
    theirs = [event.model_copy(update={"principal": other}) for event in theirs]
    both[-1] = both[-1].model_copy(update={"principal": other})
    roster = Roster(write(tmp_path / "audit", [*ours, *theirs, *both]), tmp_path / "derived")
    list(roster.update())
    acme = RunFilter(tenants=("acme",))
    assert set(rows(roster, acme)) == {"ours"}
    assert asking.find(roster.file, acme, offset=0, limit=10)[0] == 1
    assert asking.values_of(roster.file, acme)["tenant"] == {"acme": 1}
    assert [row.trace for row, _ in asking.figures(roster.file, acme)] == ["ours"]
    assert set(rows(roster, RunFilter(tenants=("acme", "other")))) == {"ours", "theirs", "both"}
    assert rows(roster, RunFilter(tenants=())) == {}


def test_values_of_a_filter_are_values_and_never_sql(tmp_path: Path) -> None:
    roster = Roster(write(tmp_path / "audit", allowed_story().events), tmp_path / "derived")
    list(roster.update())
    hostile = "') OR TRUE --"
    for facet in ("agent", hostile):
        assert rows(roster, RunFilter(facets={facet: (hostile,)})) == {}


def test_words_are_found_wherever_they_stand_in_the_lines_of_a_run(tmp_path: Path) -> None:
    log = write(tmp_path / "audit", [*governed_story('a "quoted" run').events, *allowed_story("plain").events])
    assert runs_with(log, "EVIL.example") == ('a "quoted" run',)
    assert runs_with(log, '"quoted"') == ('a "quoted" run',)
    assert set(runs_with(log, "procurement")) == {'a "quoted" run', "plain"}
    assert runs_with(log, "nobody said this") == ()


def test_figures_tell_answers_coverage_and_containment() -> None:
    run = Gathering("trace-1")
    for event in governed_story().events:
        take(run, orjson.loads(event.model_dump_json()))
    figures = figures_of(run)
    (answer,) = figures.answers
    assert (answer.approver, answer.verified, answer.yes) == ("bob", True, True)
    assert answer.seconds == pytest.approx(120, abs=1)
    assert (figures.found, figures.contained_s) == (True, 0.0)
    assert {(call.tool, call.effect, call.count) for call in figures.calls} == {
        ("export_data", "deny", 1),
        ("pay_invoice", "require_approval", 1),
    }


def test_the_time_of_a_row_is_a_moment(tmp_path: Path) -> None:
    roster = Roster(write(tmp_path / "audit", allowed_story().events), tmp_path / "derived")
    list(roster.update())
    assert rows(roster)["trace-1"].started == START.astimezone(UTC)
    assert set(rows(roster, RunFilter(since=START, until=START + timedelta(microseconds=1)))) == {"trace-1"}
    assert rows(roster, RunFilter(since=START + timedelta(microseconds=1))) == {}


def test_an_end_that_is_told_twice_is_the_later_one(tmp_path: Path) -> None:
    story = allowed_story()
    story.add(RunFinished, outcome="failed")
    roster = Roster(write(tmp_path / "audit", story.events), tmp_path / "derived")
    list(roster.update())
    assert rows(roster)["trace-1"].outcome == "failed"
