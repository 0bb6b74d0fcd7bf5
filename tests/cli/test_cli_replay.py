"""``aisecops replay`` over real logs: whole ones, broken ones, and none."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from cli_logs import Run, segment_of, write_log
from trace_factory import governed_story


def test_summary_finds_the_log_in_a_home_a_directory_or_a_file(run: Run, home: Path) -> None:
    log = home / "audit"
    shown = [run("replay", "summary", path, "--json") for path in (home, log, segment_of(log))]
    assert {result.exit_code for result in shown} == {0}
    objects = [orjson.loads(result.stdout) for result in shown]
    assert objects[0]["traces"] == objects[1]["traces"] == objects[2]["traces"]
    assert objects[0]["log"]["verified"] is True
    assert objects[0]["traces"][0]["outcome"] == "completed"
    assert objects[0]["traces"][0]["problems"] == []


def test_summary_of_several_traces_is_an_overview_and_of_one_is_full(run: Run, two_runs: Path) -> None:
    overview = run("replay", "summary", two_runs).stdout
    assert "2 traces" in overview
    assert "Denied calls" not in overview
    assert "Denied calls" in run("replay", "summary", two_runs, "--trace", "trace-1").stdout
    both = orjson.loads(run("replay", "summary", two_runs, "--json").stdout)
    assert [trace["trace"] for trace in both["traces"]] == ["trace-1", "trace-2"]


def test_timeline_tells_the_latest_trace_and_names_the_others(run: Run, two_runs: Path) -> None:
    shown = run("replay", "timeline", two_runs)
    assert shown.exit_code == 0
    assert "The log holds 2 traces; this is the latest." in shown.stdout
    assert "Trace trace-2" in shown.stdout
    told = orjson.loads(run("replay", "timeline", two_runs, "--json").stdout)
    assert (told["trace"], told["traces"]) == ("trace-2", ["trace-1", "trace-2"])
    assert told["timeline"][0]["kind"] == "run_started"
    chosen = run("replay", "timeline", two_runs, "--trace", "trace-1")
    assert "Trace trace-1" in chosen.stdout
    assert "Choose another" not in chosen.stdout


def test_an_unknown_trace_is_an_error_that_names_the_known_ones(run: Run, two_runs: Path) -> None:
    for command in ("summary", "timeline"):
        result = run("replay", command, two_runs, "--trace", "trace-9")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "trace-1, trace-2" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_path_without_a_log_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = tmp_path / "nothing.jsonl"
    nothing.touch()
    for path in (empty, nothing, tmp_path / "missing"):
        result = run("replay", "summary", path)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "Traceback" not in result.stderr


def test_garbage_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.jsonl"
    garbage.write_bytes(b"\x00\xff\x1b[31m not a log\n{}\n[1]\n")
    for command in ("summary", "timeline"):
        result = run("replay", command, garbage)
        assert result.exit_code == 2
        assert "3 unreadable lines" in result.stderr
        assert "\x1b" not in result.output


def test_an_edited_log_is_announced_before_anything_read_from_it(run: Run, home: Path) -> None:
    segment = segment_of(home / "audit")
    segment.write_bytes(segment.read_bytes().replace(b'"amount":950', b'"amount":999'))
    for command in ("summary", "timeline"):
        people = run("replay", command, home)
        assert people.exit_code == run("replay", command, home, "--json").exit_code == 1
        assert people.stdout.startswith("LOG DOES NOT VERIFY")
        assert orjson.loads(run("replay", command, home, "--json").stdout)["log"]["verified"] is False
    assert "call_not_as_recorded" in run("replay", "summary", home).stdout


def test_a_torn_line_hides_nothing_before_it(run: Run, home: Path) -> None:
    segment = segment_of(home / "audit")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-2]) + lines[-2][:40])
    shown = orjson.loads(run("replay", "summary", home, "--json").stdout)
    assert shown["log"]["unreadable_lines"] == 1
    assert shown["log"]["verified"] is False
    assert shown["traces"][0]["outcome"] == "unfinished"


def test_gaps_are_named_to_people_and_programs(run: Run, tmp_path: Path) -> None:
    events = [event for event in governed_story().events if event.kind != "permit_issued"]
    log = write_log(tmp_path / "log", events)
    assert "execution_without_permit" in run("replay", "summary", log).stdout
    assert "1 GAPS OR VIOLATIONS" in run("replay", "timeline", log).stdout
    shown = orjson.loads(run("replay", "summary", log, "--json").stdout)
    assert [problem["code"] for problem in shown["traces"][0]["problems"]] == ["execution_without_permit"]


@pytest.mark.parametrize("command", ["summary", "timeline"])
def test_hostile_names_in_a_log_reach_no_terminal(run: Run, tmp_path: Path, command: str) -> None:
    evil = "\x1b]0;owned\x07[bold red]x[/]\u202e\x9b2J"
    story = governed_story()
    hostile = [
        event.model_copy(update={"tool": evil, "reason": evil, "name": evil, "trace": evil, "thread": evil})
        for event in story.events
    ]
    log = write_log(tmp_path / "log", hostile)
    for arguments in ((), ("--json",)):
        result = run("replay", command, log, *arguments)
        assert result.exit_code == 0, result.output
        assert not set(result.output) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert "[bold red]" in run("replay", command, log).stdout
    unknown = run("replay", command, log, "--trace", "other")
    assert not set(unknown.output) & {"\x1b", "\x07", "\x9b", "\u202e"}


def test_json_escapes_lose_nothing(run: Run, tmp_path: Path) -> None:
    evil = "\x9b\u202e\U000e0041é"
    log = write_log(tmp_path / "log", [event.model_copy(update={"thread": evil}) for event in governed_story().events])
    shown = run("replay", "summary", log, "--json")
    assert orjson.loads(shown.stdout)["traces"][0]["thread"] == evil
