"""Killed on the way through the doors of graphs that are not ours: nothing twice or unrecorded, every run ends."""

from __future__ import annotations

import time

import pytest
from crash_doors import DOORS
from crash_kit import effect, events, lines, verified, wait_for

from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.forensics import problems_of, traces_of
from aisecops_langchain.forensics.problems import ProblemCode

MODES = pytest.mark.parametrize("mode", ["sync", "async"])
EVERY_DOOR = pytest.mark.parametrize("door", DOORS)


def killed_in_the_tool(nursery, home, **job):
    """Let a tool begin, kill its process while it runs, and let the next one run to its end."""
    child = nursery.start(home, "go on", **job)
    wait_for(home / "started")
    assert child.kill() == -9
    (home / "go").touch()


@MODES
@EVERY_DOOR
def test_a_call_killed_in_the_middle_is_unknown_and_never_run_twice(nursery, home, door, mode):
    job = {"scenario": "slow", "door": door, "mode": mode}
    killed_in_the_tool(nursery, home, **job)
    for _ in range(2):
        done = nursery.run(home, "go on", **job)
        assert (done["next"], done["messages"][-1][2]) == ([], "done")
    assert lines(home) == ["thread-1 slow-1"]
    assert effect(home, "thread-1 slow-1").state is EffectState.UNKNOWN
    (answer,) = [message for message in done["messages"] if message[0] == "tool"]
    assert answer[1] == "error"
    assert "outcome is unknown" in answer[2]
    assert [len(events(home, f"execution_{kind}")) for kind in ("started", "unknown", "completed")] == [1, 1, 0]
    verified(home)


@MODES
@EVERY_DOOR
def test_an_idempotent_call_killed_in_the_middle_is_begun_again_under_its_permit(nursery, home, door, mode):
    job = {"scenario": "slow_sync", "door": door, "mode": mode}
    killed_in_the_tool(nursery, home, **job)
    done = nursery.run(home, "go on", **job)
    assert ["tool", "success", "did slow_sync 1"] in done["messages"]
    assert lines(home) == ["thread-1 slow_sync-1"] * 2
    found = effect(home, "thread-1 slow_sync-1")
    assert (found.state, found.attempt) == (EffectState.COMPLETED, 2)
    assert len({event["permit"] for event in events(home, "execution_started")}) == 1
    verified(home)


@MODES
@EVERY_DOOR
def test_an_approved_call_runs_once_in_the_process_that_resumes(nursery, home, door, mode):
    job = {"scenario": "two approvals", "door": door, "mode": mode}
    asked = nursery.run(home, "go on", **job)
    assert asked["waiting"] >= 1
    while asked["waiting"]:
        asked = nursery.run(home, "approve all", **job)
    assert sorted(lines(home)) == ["thread-1 pay-1", "thread-1 pay-2"]
    assert asked["next"] == []
    verified(home, warnings=set())


FATES = {
    "before it is permitted": "carried out",
    "permitted": "carried out",
    "before it is begun": "carried out",
    "begun": "unknown",
    "before its end is kept": "unknown",
    "ended": "carried out",
}
"""What becomes of a call whose process is killed on one side or the other of each write of its effect."""


@EVERY_DOOR
@pytest.mark.parametrize(("mode", "moment"), [*(("sync", moment) for moment in FATES), ("async", "begun")])
def test_killed_around_any_write_of_an_effect_it_is_accounted_for(nursery, home, door, mode, moment):
    """A door that asked for the permit again after a death found it used, and never another one."""
    job = {"scenario": "one", "door": door, "mode": mode}
    died = nursery.start(home, "go on", die_at=list(FATES).index(moment), around="effects", **job)
    assert died.end() == -9
    ran = lines(home)
    assert ran == (["thread-1 look-1"] if moment in ("before its end is kept", "ended") else [])
    done = nursery.run(home, "go on", **job)
    assert (done["next"], done["messages"][-1][2]) == ([], "done")
    unknown = FATES[moment] == "unknown"
    assert lines(home) == (ran if unknown else ["thread-1 look-1"])
    assert effect(home, "thread-1 look-1").state is (EffectState.UNKNOWN if unknown else EffectState.COMPLETED)
    assert len(events(home, "execution_unknown")) == unknown
    verified(home)


@MODES
def test_an_idempotent_call_whose_end_the_ledger_never_had_is_begun_again_and_told_as_such(nursery, home, mode):
    """Killed between the end in the log and the end in the ledger: by the ledger it was begun, and may be again."""
    (home / "go").touch()
    job = {"scenario": "slow_sync", "door": "middleware", "mode": mode}
    moment = list(FATES).index("before its end is kept")
    assert nursery.start(home, "go on", die_at=moment, around="effects", **job).end() == -9
    done = nursery.run(home, "go on", **job)
    assert ["tool", "success", "did slow_sync 1"] in done["messages"]
    assert lines(home) == ["thread-1 slow_sync-1"] * 2
    verified(home)
    (trace,) = traces_of(entry.parse() for entry in read_log(home / "audit") if entry.is_event)
    assert [problem.code for problem in problems_of(trace)] == [ProblemCode.RESTARTED_AFTER_END]


def test_no_effect_is_written_more_often_than_it_is_killed_here(nursery, home):
    job = {"scenario": "one", "door": "middleware"}
    assert nursery.start(home, "go on", die_at=len(FATES), around="effects", **job).end() == 0


@MODES
@EVERY_DOOR
def test_a_call_runs_once_even_if_the_checkpointer_lags_behind(nursery, home, door, mode):
    """Run with durability 'sync', as the documentation says, no call gets ahead of its plan."""
    job = {"scenario": "slow", "door": door, "mode": mode}
    child = nursery.start(home, "go on", stalling=True, **job)
    wait_for(home / "stalled")
    time.sleep(0.5)  # time enough for a run that does not wait for its checkpoints to get ahead of them
    child.kill()
    (home / "go").touch()
    nursery.run(home, "go on", **job)
    assert len(lines(home)) == 1
    assert len(events(home, "execution_started")) == 1
    verified(home)
