"""Following a log: new lines of all segments, once each, filtered, and nothing obeyed."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from cli_logs import KEY, Run, segment_of, write_log
from trace_factory import allowed_story, governed_story

from aisecops_langchain.audit import AuditLog
from aisecops_langchain.audit.follow import Follower
from aisecops_langchain.errors import AuditFormatError


def kinds(result_output: str) -> list[str]:
    return [json.loads(line)["kind"] for line in result_output.splitlines()]


def test_it_follows_segments_that_others_open_later(home: Path, run: Run) -> None:
    story = allowed_story("trace-9").events

    def others() -> None:
        time.sleep(0.3)
        for half in (story[:3], story[3:]):
            with AuditLog.open(home / "audit", key=KEY) as log:
                for event in half:
                    log.append(event)

    writer = threading.Thread(target=others)
    writer.start()
    result = run("watch", home, "--json", "--count", len(story), "--for", 20)
    writer.join()
    assert result.exit_code == 0
    assert kinds(result.output) == [event.kind for event in story]


def test_filters(home: Path, run: Run) -> None:
    def seen(*options: str) -> list[str]:
        return kinds(run("watch", home, "--from-start", "--for", 0, "--json", *options).output)

    assert len(seen()) == len(governed_story().events)
    assert seen("--decision", "deny") == ["decision_made"]
    assert seen("--kind", "run_started", "--kind", "run_finished") == ["run_started", "run_finished"]
    assert "decision_made" in seen("--tool", "pay_invoice")
    assert seen("--tool", "export_data", "--decision", "require_approval") == []
    assert seen("--agent", "nobody") == []
    assert seen("--trace", "trace-1", "--kind", "run_started") == ["run_started"]


def test_it_tells_in_words_and_obeys_nothing(run: Run, tmp_path: Path) -> None:
    events = [
        event.model_copy(update={"principal": event.principal.model_copy(update={"agent": "a\x1b]0;x\x07\nforged"})})
        for event in governed_story().events
    ]
    write_log(tmp_path / "audit", events)
    output = run("watch", tmp_path / "audit", "--from-start", "--for", 0).output
    assert "\x1b" not in output
    assert "\x07" not in output
    assert len(output.splitlines()) == len(events)
    assert "approved" in output


def test_without_from_start_only_new_events_are_shown(home: Path, run: Run) -> None:
    assert run("watch", home, "--for", 0).output == ""


def test_a_half_written_line_is_waited_for(home: Path) -> None:
    segment = segment_of(home / "audit")
    whole = segment.read_bytes()
    line_start = whole[:-1].rindex(b"\n") + 1
    segment.write_bytes(whole[: line_start + 20])
    follower = Follower(home / "audit", from_start=True)
    before = list(follower.poll())
    segment.write_bytes(whole)
    (last,) = follower.poll()
    assert len(before) == whole.count(b"\n") - 1
    assert last.raw == whole[line_start:-1]
    assert list(follower.poll()) == []


def test_a_broken_chain_a_cut_and_a_lost_segment_are_said(home: Path, run: Run) -> None:
    segment = segment_of(home / "audit")
    whole = segment.read_bytes()
    follower = Follower(home / "audit")
    segment.write_bytes(whole + whole.splitlines(keepends=True)[3])
    alarm, _ = follower.poll()
    assert "does not follow" in str(alarm.error)
    segment.write_bytes(whole[:500])
    (alarm,) = follower.poll()
    assert "shorter" in str(alarm.error)
    segment.unlink()
    (alarm,) = follower.poll()
    assert "gone" in str(alarm.error)


def test_problems_pass_every_filter(home: Path, run: Run) -> None:
    segment = segment_of(home / "audit")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    for form in ((), ("--json",)):
        result = run("watch", home, "--from-start", "--for", 0, "--agent", "nobody", *form)
        assert "does not follow" in result.stdout
        assert result.exit_code == 1


def test_a_line_that_nests_too_deep_is_a_problem_and_stops_nothing(home: Path, run: Run) -> None:
    segment = segment_of(home / "audit")
    lines = segment.read_bytes().splitlines()
    deep = lines[3][:-1] + b',"more":' + b"[" * 900 + b"]" * 900 + b"}"
    segment.write_bytes(b"".join(line + b"\n" for line in [*lines[:3], deep, *lines[3:]]))
    for form in ((), ("--json",)):
        result = run("watch", home, "--from-start", "--for", 0, *form)
        assert result.exit_code == 1
        assert "Traceback" not in result.output
        assert len(result.stdout.splitlines()) > len(governed_story().events)


def test_arguments_are_shown_where_an_earlier_event_recorded_them(home: Path, run: Run) -> None:
    told = run("watch", home, "--from-start", "--for", 0, "--kind", "execution_started").stdout
    assert "amount=950" in told


def test_a_log_that_disappears_is_a_clear_error(home: Path, run: Run) -> None:
    follower = Follower(home / "audit")
    shutil.rmtree(home / "audit")
    with pytest.raises(AuditFormatError, match="cannot be followed"):
        list(follower.poll())


def test_it_says_that_it_waits_for_a_first_segment(run: Run, tmp_path: Path) -> None:
    result = run("watch", tmp_path, "--for", 0)
    assert result.exit_code == 0
    assert "no segment yet" in result.stderr
    assert result.stdout == ""
