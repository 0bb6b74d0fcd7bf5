"""Sealed checkpoints and kill -9 at every moment around a write: no honest thread is refused, nothing runs twice."""

import sqlite3

import pytest
from crash_kit import effect, events, lines, verified

from aisecops_langchain.domain.permit import EffectState

MOST = 120
"""More moments than a run has."""


def deaths(nursery, home, action, every=1, **job):
    """Begin the same job in one home after another, killed some moments later each time, until one survives."""
    for moment in range(0, MOST, every):
        here = home / f"{action.replace(' ', '-')}-{moment}"
        here.mkdir()
        if action == "approve":
            assert nursery.run(here, "go on", **job)["waiting"] == 1
        child = nursery.start(here, action, die_at=moment, **job)
        ended = nursery.wait(child._pid)
        if ended == 0:
            assert moment > 20, "the run has too few writes to show anything"
            return
        assert ended == -9
        yield here
    pytest.fail("no run survived")


@pytest.mark.parametrize(("mode", "every"), [("sync", 2), ("async", 4)])  # one moment costs a third of a second
def test_a_run_killed_around_any_write_goes_on(nursery, home, mode, every):
    job = {"scenario": "one", "sealed": True}
    for here in deaths(nursery, home, "go on", every, mode=mode, **job):
        done = nursery.run(here, "go on", **job)
        assert done["messages"][-1][2] == "done"
        assert done["next"] == []
        assert lines(here) in (["thread-1 look-1"], []), here.name
        assert events(here, "checkpoint_refused") == []
        verified(here)


def test_an_answer_killed_around_any_write_is_given_once(nursery, home):
    job = {"scenario": "approval", "sealed": True}
    for here in deaths(nursery, home, "approve", 4, **job):
        done = nursery.run(here, "go on", **job)
        if done["waiting"]:
            done = nursery.run(here, "approve", **job)
        assert done["next"] == []
        if lines(here) != ["thread-1 pay-1"]:  # it died between the start of the effect and the tool's first word
            assert lines(here) == []
            assert effect(here, "thread-1 pay-1").state is EffectState.UNKNOWN
        assert events(here, "checkpoint_refused") == []


def test_after_a_death_the_newest_checkpoint_still_cannot_be_taken_away(nursery, home):
    job = {"scenario": "one", "sealed": True}
    nursery.wait(nursery.start(home, "go on", die_at=9, **job)._pid)
    nursery.run(home, "go on", **job)
    with sqlite3.connect(home / "checkpoints.sqlite3") as attacker:
        attacker.execute("DELETE FROM checkpoints WHERE checkpoint_id = (SELECT max(checkpoint_id) FROM checkpoints)")
    child = nursery.start(home, "go on", **job)
    assert nursery.wait(child._pid) == 1
    assert [event["code"] for event in events(home, "checkpoint_refused")] == ["missing"]
