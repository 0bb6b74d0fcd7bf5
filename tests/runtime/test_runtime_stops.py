"""The kill switch by attack: what was stopped does not begin, in any process, and a stop is not undone at rest."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from runtime_kit import POLICY, ROOT_KEY, World

from aisecops_langchain.domain.stop import StopRegister
from aisecops_langchain.errors import AuditWriteError, ConfigurationError, LedgerError, PermitError
from aisecops_langchain.runtime.decisions.verdicts import Denied, Permitted
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ledger.records import close_row
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Change, Table
from aisecops_langchain.runtime.principals.stops import Stops
from aisecops_langchain.runtime.principals.switch import open_stops
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import FixedClock, MemorySink

TARGETS = {"run by thread": ("run", "thread-1"), "run by trace": ("run", "ab" * 16)} | {
    "agent": ("agent", "clerk"),
    "tenant": ("tenant", "acme"),
}


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("which", TARGETS)
def test_a_stop_counts_for_the_very_next_decision_and_the_very_next_start(world, which):
    permitted, done = world.propose(call_id="permitted"), world.propose(call_id="done")
    permit = world.permit(permitted)
    world.governor.execution.complete(world.begin(done), result="r", label=done.context)
    running = world.begin(world.propose(call_id="running"))
    report = world.governor.stops.order(*TARGETS[which], reason="odd", by="alice")
    found = [[effect.call_id for effect in group] for group in (report.stopped, report.running, report.ran)]
    assert found == [["permitted"], ["running"], ["done"]]
    with pytest.raises(PermitError) as caught:
        world.begin(permitted, permit.id)
    assert caught.value.code == world.only("execution_blocked").code == "stopped"
    assert isinstance(world.decide(world.propose(call_id="next")), Denied)
    assert world.sink.events[-1].decision.reasons[0].code == "stopped"
    assert world.governor.oversight.must_stop(world.scope, "any call")
    ordered, reported = world.only("stop_ordered"), world.only("stop_reported")
    assert (ordered.reason, ordered.by, reported.stopped, reported.running, reported.ran) == ("odd", "alice", 1, 1, 1)
    world.governor.execution.complete(running, result="r", label=done.context)  # what had begun is accounted for


def test_others_go_on_and_a_lifted_stop_is_on_record(world):
    for target in (("run", "thread-2"), ("agent", "intern"), ("tenant", "clerk"), ("warrant", "acme")):
        world.governor.stops.order(*target)
    assert isinstance(world.decide(world.propose()), Permitted)
    world.governor.stops.order("agent", "clerk")
    assert isinstance(world.decide(world.propose(call_id="2")), Denied)
    assert world.governor.stops.lift("agent", "clerk", by="alice")
    assert world.only("stop_lifted").by == "alice"
    assert not world.governor.stops.lift("agent", "clerk")
    assert isinstance(world.decide(world.propose(call_id="3")), Permitted)


def test_what_cannot_be_stopped_is_refused(world):
    for kind, target in (("world", "x"), ("agent", ""), ("agent", "x" * 1000)):
        with pytest.raises(ConfigurationError):
            world.governor.stops.order(kind, target)


def test_a_stop_that_comes_between_permit_check_and_start_is_seen(world):
    """The check is made once more after the start was written, so neither side can miss the other."""
    proposal = world.propose()
    permit = world.permit(proposal)
    apply = world.ledger.apply
    reports = []

    def stop_first(changes, *, durable, charges=()):
        if changes[0].row.state == "started" and not reports:
            reports.append(None)
            done = apply(changes, durable=durable, charges=charges)
            reports[0] = other.stops.order("agent", "clerk")
            return done
        return apply(changes, durable=durable, charges=charges)

    other = world.new_governor()
    world.ledger.apply = stop_first
    with pytest.raises(PermitError) as caught:
        world.begin(proposal, permit.id)
    assert caught.value.code == "stopped"
    assert [effect.call_id for effect in reports[0].running] == ["call-1"]  # it was not known to be refused yet
    assert world.effect(proposal).state == "failed"
    assert "execution_started" not in world.kinds()


def test_a_lift_that_cannot_be_recorded_does_not_happen(world):
    world.governor.stops.order("agent", "clerk")

    def broken():
        raise AuditWriteError("disk full")

    world.sink.commit = broken
    with pytest.raises(AuditWriteError):
        world.governor.stops.lift("agent", "clerk")
    assert isinstance(world.decide(world.propose()), Denied)


def register(epoch, sealer=None):
    return close_row(sealer or Sealer(ROOT_KEY), Table.STOPS, "register", StopRegister(epoch=epoch))


@pytest.mark.parametrize(
    "attack",
    [
        "DELETE FROM stops",
        "UPDATE stops SET body = replace(body, 'clerk', 'other')",
        "UPDATE stops SET body = :empty, seal = :forged",
        "UPDATE stops SET body = :first_body, seal = :first_seal",
        "UPDATE stops SET key = 'gone'",
    ],
)
def test_a_stop_taken_out_of_the_ledger_at_rest_is_noticed(tmp_path, attack):
    """Deleted, edited, forged, or replaced by an older one: a process that knew it decides nothing any more."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        world = World(ledger=ledger)
        world.governor.stops.order("tenant", "other")
        first = ledger.get(Table.STOPS, "register")
        world.governor.stops.order("agent", "clerk")
        world.governor.stops.orders()
        forged = register(9, Sealer(b"y" * 32))
        values = {"empty": forged.body, "forged": forged.seal, "first_body": first.body, "first_seal": first.seal}
        with closing(sqlite3.connect(path)) as attacker, attacker:
            attacker.execute(attack, values if ":" in attack else {})
        if "replace" in attack:  # the body alone was changed: this process still has the true one
            assert isinstance(world.decide(world.propose()), Denied)
            world.governor = world.new_governor()
        with pytest.raises(LedgerError):
            world.decide(world.propose(call_id="2"))
        with pytest.raises(LedgerError):
            world.governor.stops.order("agent", "x") if attack.startswith("DELETE") else world.governor.stops.orders()


def test_many_orders_at_once_all_stand(tmp_path):
    """Threads and ledgers that write the one register lose none of each other's orders."""
    with closing(SqliteLedger(tmp_path / "l")) as one, closing(SqliteLedger(tmp_path / "l")) as two:
        governors = [World(ledger=ledger).governor for ledger in (one, two)]
        threads = [
            threading.Thread(target=governors[number % 2].stops.order, args=("agent", f"agent-{number}"))
            for number in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for governor in governors:
            assert {order.target for order in governor.stops.orders()} == {f"agent-{number}" for number in range(12)}


WORKER = """
import sys, time
sys.path.insert(0, sys.argv[2])
from runtime_kit import World, POLICY
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.decisions.verdicts import Permitted
world = World()
with Governor.open(POLICY, sys.argv[1], durability="none") as governor:
    world.governor = governor
    world.scope = governor.scope(trace="ab" * 16, thread=sys.argv[3], checkpoint_ns="", principal=world.scope.principal)
    for number in range(100_000):
        proposal = world.propose(call_id=f"c{number}", turn=f"t{number}")
        verdict = governor.gate.decide(proposal, world.scope)
        if not isinstance(verdict, Permitted):
            break
        try:
            running = governor.execution.begin(verdict.permit.id, world.binding(proposal))
        except Exception:
            break
        print(f"{sys.argv[3]} c{number}", flush=True)  # the tool
        governor.execution.complete(running, result="r", label=proposal.context)
"""


def test_two_processes_under_load_begin_nothing_more_once_a_stop_returned(tmp_path):
    """Every effect that took place stands in the report as done, or as begun before the stop; both processes end."""
    home, kit = tmp_path / "home", str(__file__).rpartition("/")[0]
    with Governor.open(POLICY, home, durability="none"):
        pass
    command = [sys.executable, "-c", WORKER, str(home), kit]
    workers = [
        subprocess.Popen([*command, f"thread-{number}"], stdout=subprocess.PIPE, text=True) for number in range(2)
    ]
    first = [worker.stdout.readline().strip() for worker in workers]  # both are at work
    time.sleep(0.2)
    with open_stops(home) as stops:
        report = stops.order("agent", "clerk", reason="test", by="tester")
    ran = {line for worker in workers for line in worker.communicate(timeout=60)[0].splitlines()} | set(first)
    assert all(worker.returncode == 0 for worker in workers)
    known = {f"{effect.thread} {effect.call_id}" for effect in (*report.ran, *report.running)}
    assert len(ran) > 2
    assert ran <= known
    assert {effect for effect in ran if effect in {f"{e.thread} {e.call_id}" for e in report.stopped}} == set()


def test_the_switch_opens_no_home_that_is_none(tmp_path):
    with pytest.raises(ConfigurationError), open_stops(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_older_release_does_not_open_a_ledger_that_may_hold_stops(tmp_path):
    """It would not look at them."""
    with closing(SqliteLedger(tmp_path / "l")) as ledger:
        ledger.apply([Change(register(1))], durable=True)
    with closing(sqlite3.connect(tmp_path / "l")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 4
        db.execute("PRAGMA user_version=1")
    with closing(SqliteLedger(tmp_path / "l")) as ledger:  # an old file is taken over as it is
        assert ledger.get(Table.STOPS, "register") == register(1)


def test_a_revocation_is_forgotten_only_after_its_warrant_has_expired():
    clock = FixedClock()
    world = World(clock=clock)
    stops: Stops = world.governor.stops
    stops.order("warrant", "w1", until=clock.now() + 10)
    stops.order("agent", "a")
    assert stops.revoked(["w1"])
    clock.advance(60)
    stops.order("agent", "b")
    assert {order.target for order in stops.orders()} == {"a", "b"}
    assert isinstance(world.sink, MemorySink)


def test_a_second_attempt_that_is_stopped_leaves_the_first_one_unknown(world):
    """What a crash cut off may have taken place; refusing to try again must not call it failed."""
    proposal = world.propose("sync")
    permit = world.permit(proposal)
    world.begin(proposal, permit.id)  # and then the process dies
    world.ledger.owner = "another"
    survivor = world.new_governor()
    apply = world.ledger.apply

    def stop_meanwhile(changes, **kw):
        done = apply(changes, **kw)
        if changes[0].row.state == "started":
            world.ledger.apply = apply
            world.governor.stops.order("agent", "clerk")
        return done

    world.ledger.apply = stop_meanwhile
    with pytest.raises(PermitError) as caught:
        survivor.execution.begin(permit.id, world.binding(proposal))
    assert caught.value.code == "stopped"
    assert (world.effect(proposal).state, world.effect(proposal).attempt) == ("unknown", 2)
