"""Real processes, real files: runs that pause, die and go on elsewhere do what was allowed, once, and say so."""

from __future__ import annotations

import random
import time

import pytest
from crash_kit import effect, effects, events, lines, named, verified, wait_for

from aisecops_langchain.domain.permit import EffectState


@pytest.mark.parametrize("first", ["sync", "async"])
@pytest.mark.parametrize("second", ["sync", "async"])
def test_an_approved_call_runs_once_in_the_process_that_resumes(nursery, home, first, second):
    """Interrupted for approval, the process ends; a new one resumes from the SQLite checkpointer."""
    asked = nursery.run(home, "go on", scenario="approval", mode=first)
    assert asked["waiting"] == 1
    assert lines(home) == []
    done = nursery.run(home, "approve", scenario="approval", mode=second)
    assert lines(home) == ["thread-1 pay-1"]
    assert [message[0] for message in done["messages"]] == ["human", "ai", "tool", "ai"]
    assert done["messages"][2][1:] == ["success", "did pay 1"]
    again = nursery.run(home, "go on", scenario="approval")
    assert again["messages"] == done["messages"]
    assert lines(home) == ["thread-1 pay-1"]
    assert effect(home, "thread-1 pay-1").state is EffectState.COMPLETED
    for kind in ("approval_requested", "approval_granted", "permit_issued", "execution_started", "execution_completed"):
        assert len(events(home, kind)) == 1, kind
    verified(home, warnings=set())


def test_an_interrupted_run_goes_on_waiting_in_a_new_process(nursery, home):
    """Going on without an answer asks again and runs nothing."""
    nursery.run(home, "go on", scenario="approval")
    again = nursery.run(home, "go on", scenario="approval")
    assert again["waiting"] == 1
    assert lines(home) == []
    assert len(events(home, "approval_requested")) == 1


def test_two_approvals_are_answered_in_a_new_process(nursery, home):
    """Each of two calls of one turn runs once, under its own answer."""
    assert nursery.run(home, "go on", scenario="two approvals")["waiting"] == 2
    nursery.run(home, "approve all", scenario="two approvals")
    assert sorted(lines(home)) == ["thread-1 pay-1", "thread-1 pay-2"]
    verified(home, warnings=set())


def kill_in_the_middle(nursery, home, scenario, mode="sync"):
    """Let a tool begin, and kill its process while it runs."""
    child = nursery.start(home, "go on", scenario=scenario, mode=mode)
    wait_for(home / "started")
    assert child.kill() == -9


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_call_whose_process_was_killed_is_unknown_and_never_run_twice(nursery, home, mode):
    """Between intent and completion: a new process goes on, the effect is unknown, the tool ran once."""
    kill_in_the_middle(nursery, home, "slow", mode)
    (home / "go").touch()
    done = nursery.run(home, "go on", scenario="slow", mode=mode)
    assert lines(home) == ["thread-1 slow-1"]
    found = effect(home, "thread-1 slow-1")
    assert (found.state, found.attempt) == (EffectState.UNKNOWN, 1)
    (unknown,) = events(home, "execution_unknown")
    (started,) = events(home, "execution_started")
    assert (unknown["permit"], unknown["call"]) == (started["permit"], started["call"])
    assert events(home, "execution_completed") == []
    assert done["messages"][-1][2] == "done"
    answer = next(message for message in done["messages"] if message[0] == "tool")
    assert answer[1] == "error"
    assert "unknown" in answer[2]
    verified(home)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("scenario", ["slow", "approval"])
def test_a_call_runs_once_even_if_the_checkpointer_lags_behind(nursery, home, mode, scenario):
    """If the process dies before its plan is kept, the call was not begun; if it was begun, it is not planned anew."""
    child = nursery.start(home, "go on", scenario=scenario, mode=mode, stalling=True)
    wait_for(home / "stalled")
    time.sleep(0.5)  # time enough for a run that does not wait for its checkpoints to get ahead of them
    child.kill()
    (home / "go").touch()
    nursery.run(home, "go on", scenario=scenario, mode=mode)
    if scenario == "approval":
        nursery.run(home, "approve", scenario=scenario, mode=mode)
    assert len(lines(home)) == 1
    assert len(events(home, "execution_started")) == 1
    verified(home)


def test_an_unknown_effect_stays_unknown(nursery, home):
    """However often processes go on with the thread, nothing begins it again."""
    kill_in_the_middle(nursery, home, "slow")
    (home / "go").touch()
    for _ in range(3):
        nursery.run(home, "go on", scenario="slow")
    assert lines(home) == ["thread-1 slow-1"]
    assert len(events(home, "execution_unknown")) == 1
    assert effect(home, "thread-1 slow-1").state is EffectState.UNKNOWN


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_idempotent_call_whose_process_was_killed_is_run_again(nursery, home, mode):
    """Declared idempotent, the same call gets a second, recorded attempt under the same permit."""
    kill_in_the_middle(nursery, home, "slow_sync", mode)
    (home / "go").touch()
    done = nursery.run(home, "go on", scenario="slow_sync", mode=mode)
    assert lines(home) == ["thread-1 slow_sync-1"] * 2
    found = effect(home, "thread-1 slow_sync-1")
    assert (found.state, found.attempt) == (EffectState.COMPLETED, 2)
    assert len(events(home, "execution_started")) == 2
    assert len(events(home, "execution_completed")) == 1
    assert events(home, "execution_unknown") == []
    assert ["tool", "success", "did slow_sync 1"] in done["messages"]
    verified(home)


@pytest.mark.parametrize("scenario", ["slow", "slow_sync"])
def test_a_call_that_still_runs_elsewhere_is_not_begun_again(nursery, home, scenario):
    """A second process that goes on with the thread finds the call running, idempotent or not."""
    child = nursery.start(home, "go on", scenario=scenario)
    wait_for(home / "started")
    second = nursery.run(home, "go on", scenario=scenario)
    assert lines(home) == [f"thread-1 {scenario}-1"]
    assert "running right now" in next(message[2] for message in second["messages"] if message[0] == "tool")
    (home / "go").touch()
    child.finish()
    assert lines(home) == [f"thread-1 {scenario}-1"]
    assert effect(home, f"thread-1 {scenario}-1").state is EffectState.COMPLETED
    assert events(home, "execution_unknown") == []
    verified(home, warnings=set())


ROUNDS = 20


def test_killed_at_any_moment_nothing_runs_twice_or_unrecorded(nursery, home):
    """Twenty runs of six calls, each killed at a random moment and then carried on, all in one home."""
    began = time.monotonic()
    nursery.run(home, "go on", thread="measure")
    longest = time.monotonic() - began
    chance = random.Random(20260)
    for number in range(ROUNDS):
        thread = f"thread-{number}"
        child = nursery.start(home, "go on", thread=thread)
        time.sleep(chance.uniform(0, longest))
        child.kill()
        done = nursery.run(home, "go on", thread=thread)
        assert done["messages"][-1][2] == "done"
        assert done["next"] == []
    ran = lines(home)
    started = [f"{event['thread']} {event['call_id']}" for event in events(home, "execution_started")]
    for line in set(ran):
        assert line in started, f"{line} ran unrecorded"
        assert ran.count(line) <= started.count(line)
        assert ran.count(line) == 1 or "sync" in line, f"{line} ran twice"
    for record in effects(home):
        assert record.state is not EffectState.STARTED, f"nobody accounted for {named(record)}"
        assert record.state is not EffectState.COMPLETED or named(record) in ran
    verified(home)


def test_a_full_disk_stops_the_tool_and_says_so(nursery, home):
    """Wherever in the run the log cannot grow any more, no tool runs without its intent in the log."""
    (home / "go").touch()
    found = nursery.run(home, "fill the disk", scenario="slow", most=9000, step=250)
    started = {event["thread"] for event in events(home, "execution_started")}
    ran = {line.split()[0] for line in lines(home)}
    assert ran <= started
    kept = [run for run in found if run["thread"] not in ran]
    assert found[0] in kept
    assert found[-1] not in kept
    for run in kept:
        refused = [text for kind, status, text in run["messages"] if (kind, status) == ("tool", "error")]
        clear = "AuditWriteError" in run["error"] and "free space" in run["error"]
        assert clear or refused, run
    assert any("AuditWriteError" in run["error"] for run in kept)
    verified(home, warnings=set())


def test_two_processes_share_a_home(nursery, home):
    """Two runs at once, each with its own segment: every call once, one log that verifies."""
    both = [nursery.start(home, "go on", thread=f"thread-{number}") for number in range(2)]
    for child in both:
        assert child.finish()["messages"][-1][2] == "done"
    calls = [
        f"thread-{number} {name}"
        for number in range(2)
        for name in ("look-1", "sync-2", "look-3", "look-4", "sync-5", "look-6")
    ]
    assert sorted(lines(home)) == sorted(calls)
    assert len(events(home, "execution_completed")) == len(calls)
    assert len(verified(home, warnings=set()).segments) == 2


def test_two_processes_that_approve_the_same_call_run_it_once(nursery, home):
    """The same pending approval is answered in two processes at the same time."""
    for number in range(3):
        thread = f"thread-{number}"
        nursery.run(home, "go on", scenario="approval", thread=thread)
        both = [nursery.start(home, "approve", scenario="approval", thread=thread) for _ in range(2)]
        for child in both:
            child.finish()
        assert lines(home).count(f"{thread} pay-1") == 1
        assert effect(home, f"{thread} pay-1").state is EffectState.COMPLETED
    assert events(home, "execution_unknown") == []
    verified(home, warnings=set())
