"""Unknown effects are settled once, by one word that is on record, and never run again."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import pytest
from runtime_kit import POLICY, FailingSink, World

from aisecops_langchain.domain.permit import EffectState, Resolver
from aisecops_langchain.errors import AuditWriteError, ConfigurationError, LedgerError, PermitError, ReconcileError
from aisecops_langchain.forensics import summarize
from aisecops_langchain.forensics.effects import effects_of
from aisecops_langchain.forensics.problems import ProblemCode
from aisecops_langchain.forensics.trace import traces_of
from aisecops_langchain.runtime.decisions.verdicts import Denied
from aisecops_langchain.runtime.effects.reconcile import open_reconciliation
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger

UNEXPLAINED = {ProblemCode.NO_RUN_START, ProblemCode.DECISION_WITHOUT_PLAN}
"""What these worlds lack by their nature: no adapter records the start of a run and its plan in them."""


def die(world):
    """Let the process that owns the ledger's effects die, and another take over."""
    world.ledger.owner += "'"
    world.governor = world.new_governor()


def lost(world, tool="look", **kw):
    """An effect whose process died in the middle of it, and its key."""
    proposal = world.propose(tool, **kw)
    running = world.begin(proposal)
    die(world)
    return proposal, running, running.binding.effect_key()


def never_again(world, proposal, running):
    """Neither the permit nor a new decision on the same step begins it, in this process or a later one."""
    for _ in range(2):
        with pytest.raises(PermitError):
            world.governor.execution.begin(running.permit.id, running.binding)
        assert isinstance(world.decide(proposal), Denied)
        die(world)
    assert world.kinds().count("execution_started") == 1


@pytest.mark.parametrize("tool", ["look", "sync"])
@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_settled_effect_is_on_record_and_never_runs_again(tool, outcome):
    """Not even one whose tool is idempotent and whose permit is still good."""
    world = World()
    proposal, running, key = lost(world, tool)
    (shown,) = world.governor.effects.find(EffectState.UNKNOWN)
    assert (shown.key, shown.call, shown.thread, shown.started_by) == (key, running.binding.call, "thread-1", "memory")
    settled = world.governor.effects.resolve(key, outcome, by="ann", reason="asked the bank")
    assert settled.state == outcome == world.effect(proposal).state
    said, unknown = world.only("effect_resolved"), world.only("execution_unknown")
    assert (said.outcome, said.by, said.resolver, said.reason) == (outcome, "ann", "person", "asked the bank")
    assert said.parents == (unknown.id,)
    (trace,) = traces_of(world.sink.events)
    assert [effect.state for effect in effects_of(trace)] == [outcome]
    assert {problem.code for problem in summarize(trace).problems} <= UNEXPLAINED
    never_again(world, proposal, running)


def test_the_first_word_stands():
    world = World()
    _, _, key = lost(world)
    effects = world.governor.effects
    first = effects.resolve(key, "completed", by="ann")
    assert effects.resolve(key, "completed", by="ann") == first  # a retry by the same person says nothing new
    for outcome, by in (("failed", "ann"), ("completed", "bob"), ("failed", "bob")):
        with pytest.raises(ReconcileError, match="completed by ann"):
            effects.resolve(key, outcome, by=by)
    assert world.only("effect_resolved").by == "ann"


def test_only_unknown_effects_are_settled():
    """What never began, what runs in a living process, here or elsewhere, and what was seen to end stay as they are."""
    world = World()
    effects = world.governor.effects
    reserved = world.propose("look", call_id="c0")
    world.permit(reserved)
    running = world.begin(world.propose("look", call_id="c1"))
    done = world.begin(world.propose("look", call_id="c2"))
    world.governor.execution.complete(done, result="sha256:0", label=reserved.context)
    elsewhere = World(ledger=world.ledger, sink=world.sink).governor.effects
    own, world.ledger.owner = world.ledger.owner, "another process"
    world.ledger.is_alive = lambda owner: owner == own
    for key in (world.binding(reserved).effect_key(), running.key, done.key, "sha256:none"):
        with pytest.raises(ReconcileError):
            elsewhere.resolve(key, "failed", by="mallory")
    world.ledger.owner = own
    with pytest.raises(ReconcileError, match="right now"):
        effects.resolve(running.key, "failed", by="mallory")
    world.governor.execution.complete(running, result="sha256:0", label=reserved.context)
    assert effects.find(EffectState.UNKNOWN) == ()
    assert "effect_resolved" not in world.kinds()


@pytest.mark.parametrize(
    ("outcome", "by"),
    [("unknown", "ann"), ("reserved", "ann"), ("", "ann"), ("completed", ""), ("completed", " "), ("failed", "\ud800")],
)
def test_a_word_that_says_nothing_settles_nothing(outcome, by):
    world = World()
    _, _, key = lost(world)
    with pytest.raises(ConfigurationError):
        world.governor.effects.resolve(key, outcome, by=by)
    assert len(world.governor.effects.find(EffectState.UNKNOWN)) == 1


def test_of_racing_resolvers_one_is_believed_and_recorded(tmp_path):
    """Six operators with different words at one moment, over one file: one word in the ledger, the same in the log."""
    with closing(SqliteLedger(tmp_path / "ledger.sqlite3", durable=False)) as ledger:
        world = World(ledger=ledger)
        for number in range(10):
            running = world.begin(world.propose("look", call_id=f"c{number}", turn=f"t{number}"))
            world.governor.execution.lose(running, reason="cancelled")
            start = Barrier(6)

            def say(who, start=start, key=running.key):
                start.wait()
                outcome = "completed" if who % 2 else "failed"
                try:
                    return world.governor.effects.resolve(key, outcome, by=f"op-{who}").resolution
                except ReconcileError:
                    return None

            with ThreadPoolExecutor(6) as pool:
                (believed,) = filter(None, pool.map(say, range(6)))
            (said,) = [e for e in world.sink.events if e.kind == "effect_resolved" and e.permit == running.permit.id]
            assert (said.outcome, said.by) == (believed.outcome, believed.by)
            assert world.governor.effects.find(EffectState.UNKNOWN) == ()


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("who", ["the same person", "another person", "the next reconcile()"])
def test_a_crash_between_word_and_row_leaves_it_unknown_and_the_word_stands(at, who):
    """The log fails while the settlement is being written; whoever comes next finishes it, with the first word."""
    sink = FailingSink()
    world = World(sink=sink)
    proposal, running, key = lost(world)
    sink.faults.at = sink.faults.count + at
    sink.faults.lasting = True
    with pytest.raises(AuditWriteError):
        world.governor.effects.resolve(key, "completed", by="ann")
    assert world.effect(proposal).state is EffectState.UNKNOWN
    sink.faults.at = 0
    die(world)
    if who == "another person":
        with pytest.raises(ReconcileError, match="completed by ann"):
            world.governor.effects.resolve(key, "failed", by="bob")
    elif who == "the same person":
        world.governor.effects.resolve(key, "completed", by="ann")
    else:
        assert [facts.state for facts in world.governor.reconcile().resolved] == ["completed"]
    assert world.effect(proposal).state is EffectState.COMPLETED
    assert (world.only("effect_resolved").by, world.only("execution_unknown").permit) == ("ann", running.permit.id)
    never_again(world, proposal, running)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE effects SET body=replace(body,'\"started\"','\"failed\"')",
        "UPDATE effects SET state='completed'",
        "UPDATE effects SET body=replace(body,'\"resolution\":null','\"resolution\":{}')",
        "UPDATE effects SET seal='0'",
    ],
)
def test_an_effect_edited_at_rest_is_neither_shown_nor_settled(tmp_path, statement):
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        world = World(ledger=ledger)
        _, _, key = lost(world)
        with closing(sqlite3.connect(path)) as attacker:
            assert attacker.execute(statement).rowcount == 1
            attacker.commit()
        for look in (
            world.governor.effects.find,
            lambda: world.governor.effects.find(EffectState.UNKNOWN),
            lambda: world.governor.effects.resolve(key, "failed", by="ann"),
            world.governor.reconcile,
        ):
            with pytest.raises(LedgerError):
                look()
        assert "effect_resolved" not in world.kinds()


def explode(facts):
    raise OSError(facts.tool)


@pytest.mark.parametrize("answer", [explode, "unknown", "reserved", "", None, True, []])
def test_a_reconciler_that_cannot_tell_leaves_the_effect_unknown(answer):
    hook = answer if callable(answer) else lambda _: answer
    world = World()
    proposal, running, _ = lost(world)
    governor = Governor(
        policy=POLICY, sink=world.sink, ledger=world.ledger, sealer=world.sealer, reconcilers={"look": hook}
    )
    report = governor.reconcile()
    assert (report.resolved, [facts.call_id for facts in report.unknown]) == ((), ["call-1"])
    assert "effect_resolved" not in world.kinds()
    never_again(world, proposal, running)


def test_reconcilers_settle_what_they_know_and_are_asked_about_nothing_else():
    world = World()
    asked = []

    def bank(facts):
        asked.append(facts.call_id)
        return "completed" if facts.call_id == "c1" else "failed"

    one, two = lost(world, call_id="c1", turn="t1"), lost(world, call_id="c2", turn="t2")
    lost(world, "sync", call_id="c3", turn="t3")
    alive = world.begin(world.propose("look", call_id="c4", turn="t4"))
    governor = world.governor
    report = governor.effects.run({"look": bank})
    assert sorted(asked) == ["c1", "c2"]
    assert [facts.call_id for facts in report.unknown] == ["c3"]
    assert (world.effect(one[0]).state, world.effect(two[0]).state) == ("completed", "failed")
    assert {event.resolver for event in world.sink.events if event.kind == "effect_resolved"} == {Resolver.RECONCILER}
    assert world.effect(world.propose("look", call_id="c4", turn="t4")).state is EffectState.STARTED
    governor.execution.complete(alive, result="sha256:0", label=one[0].context)
    assert governor.effects.run({"look": bank}).resolved == ()
    assert sorted(asked) == ["c1", "c2"]


def test_what_is_no_reconciler_is_refused():
    world = World()
    with pytest.raises(ConfigurationError):
        Governor(
            policy=POLICY, sink=world.sink, ledger=world.ledger, sealer=world.sealer, reconcilers={"look": "completed"}
        )


def test_no_home_is_made_by_looking(tmp_path):
    with pytest.raises(ConfigurationError), open_reconciliation(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
