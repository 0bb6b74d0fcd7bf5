"""Effects: begun under a permit for exactly this, recorded first, and never twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from runtime_kit import PERMIT_SECONDS, FailingSink, World

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import LedgerError, PermitError
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.ledger.records import close_row
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Change, Table
from aisecops_langchain.testing import MemoryLedger, MemorySink

RESULT = "sha256:" + "0" * 64


@pytest.fixture
def world():
    return World()


def refusal(world, permit_id, binding):
    """Begin, and return the refusal that must come."""
    before = world.kinds().count("execution_started")
    with pytest.raises(PermitError) as refused:
        world.governor.execution.begin(permit_id, binding)
    assert world.kinds().count("execution_started") == before
    return refused.value


def die(world):
    """Let the process that owns the ledger's effects die, and another take over."""
    world.ledger.owner += "'"
    world.governor = world.new_governor()


def test_a_permitted_call_is_begun_with_a_recorded_intent(world):
    """What comes back names the permit; the ledger and the log know that it started."""
    proposal = world.propose()
    permit = world.permit(proposal)
    running = world.governor.execution.begin(permit.id, world.binding(proposal))
    assert running.permit == permit
    effect = world.effect(proposal)
    assert (effect.state, effect.owner, effect.attempt) == (EffectState.STARTED, world.ledger.owner, 1)
    started = world.only("execution_started")
    assert (started.permit, started.call, started.call_id) == (permit.id, proposal.step.call.digest, "call-1")


@pytest.mark.parametrize("end", ["complete", "fail", "lose"])
def test_an_effect_ends_once_and_as_it_did(world, end):
    """The end is in the ledger and, after the intent, in the log; there is no second end and no second begin."""
    proposal = world.propose()
    running = world.begin(proposal)
    execution = world.governor.execution
    ends = {
        "complete": (
            lambda: execution.complete(running, result=RESULT, label=proposal.context),
            EffectState.COMPLETED,
            "execution_completed",
        ),
        "fail": (lambda: execution.fail(running, error="ValueError"), EffectState.FAILED, "execution_failed"),
        "lose": (lambda: execution.lose(running, reason="cancelled"), EffectState.UNKNOWN, "execution_unknown"),
    }
    finish, state, kind = ends[end]
    event = finish()
    assert world.effect(proposal).state is state
    assert world.only(kind).id == event
    assert world.only(kind).parents == (running.event,)
    for again, _, _ in ends.values():
        with pytest.raises(LedgerError):
            again()
    assert world.effect(proposal).state is state
    assert refusal(world, running.permit.id, running.binding).code == state


def test_a_second_end_is_not_recorded(world):
    """The log never says of one effect both that it completed and that it failed."""
    proposal = world.propose()
    running = world.begin(proposal)
    world.governor.execution.complete(running, result=RESULT, label=proposal.context)
    with pytest.raises(LedgerError):
        world.governor.execution.fail(running, error="ValueError")
    assert "execution_failed" not in world.kinds()


def test_an_effect_that_ends_while_another_worker_looks_is_not_recorded_as_lost(world):
    """Who read the row before its end was written must not write 'unknown' over what really happened."""

    class Slow(MemoryLedger):
        def get(self, table, key):
            row = super().get(table, key)
            if looking:
                looking.pop()()  # the effect ends between the reading and what follows from it
            return row

    looking = []
    world = World(ledger=Slow())
    proposal = world.propose("look")
    running = world.begin(proposal)
    execution = world.governor.execution
    looking.append(lambda: execution.complete(running, result=RESULT, label=proposal.context))
    with pytest.raises((PermitError, LedgerError)):
        execution.begin(running.permit.id, running.binding)
    assert world.effect(proposal).state is EffectState.COMPLETED
    assert "execution_unknown" not in world.kinds()


def changed_bindings(world, binding):
    """Every way in which what is about to run may differ from what was permitted, with the code that says so."""
    scope = binding.scope
    principal = scope.principal

    def scoped(**update):
        return binding.model_copy(update={"scope": scope.model_copy(update=update)})

    return {
        "call": (binding.model_copy(update={"call": "sha256:other"}), "call"),
        "tool": (binding.model_copy(update={"tool": "wipe"}), "tool"),
        "tool_definition": (binding.model_copy(update={"tool_definition": "sha256:other"}), "tool_definition"),
        "call_id": (binding.model_copy(update={"call_id": "call-2"}), "unknown"),
        "plan": (binding.model_copy(update={"plan": "sha256:other"}), "unknown"),
        "thread": (scoped(thread="thread-2"), "unknown"),
        "tenant": (scoped(principal=principal.model_copy(update={"tenant": "other"})), "unknown"),
        "user": (scoped(principal=principal.model_copy(update={"user": "mallory"})), "user"),
        "issuer": (scoped(principal=principal.model_copy(update={"issuer": "https://elsewhere"})), "issuer"),
        "agent": (scoped(principal=principal.model_copy(update={"agent": "intern"})), "agent"),
        "policy": (scoped(policy="sha256:other"), "policy"),
        "checkpoint_ns": (scoped(checkpoint_ns="sub:1"), "checkpoint_ns"),
    }


@pytest.mark.parametrize("tool", ["look", "pay", "sync"])
@pytest.mark.parametrize("changed", list(changed_bindings(World(), World().binding(World().propose()))))
def test_a_permit_is_good_for_nothing_else(world, tool, changed):
    """Any other call, tool, plan, thread, principal, policy or definition is refused by name, and recorded."""
    proposal = world.propose(tool, amount=5)
    permit = world.permit(proposal)
    other, code = changed_bindings(world, world.binding(proposal))[changed]
    assert refusal(world, permit.id, other).code == code
    blocked = world.only("execution_blocked")
    assert (blocked.code, blocked.permit, blocked.call, blocked.tool) == (code, permit.id, other.call, other.tool)
    assert world.effect(proposal).state is EffectState.RESERVED
    world.governor.execution.begin(permit.id, world.binding(proposal))


def test_a_permit_may_be_used_under_another_trace(world):
    """The trace correlates; it does not authorise."""
    proposal = world.propose()
    permit = world.permit(proposal)
    elsewhere = world.scope.model_copy(update={"trace": "cd" * 16})
    world.governor.execution.begin(permit.id, world.binding(proposal, elsewhere))


@pytest.mark.parametrize("forged", ["", "0" * 32, "é", "\ud800", "x" * 10_000, "a\nb", "' OR 1=1 --"])
def test_a_forged_permit_id_is_refused_and_kept_out_of_the_log(world, forged):
    """Whatever state claims to be a permit, it is compared, not used."""
    proposal = world.propose()
    world.permit(proposal)
    assert refusal(world, forged, world.binding(proposal)).code == "forged"
    shown = world.only("execution_blocked").permit
    assert shown == ("0" * 32 if forged == "0" * 32 else "é" if forged == "é" else "malformed")


def test_a_call_that_was_never_permitted_is_refused(world):
    """No permit at all is the plainest case, and it is recorded."""
    assert refusal(world, "", world.binding(world.propose())).code == "unknown"
    assert world.only("execution_blocked").code == "unknown"


def test_every_blocked_attempt_of_another_step_is_recorded(world):
    """Two steps that were tried without a permit leave two events."""
    for call_id in ("call-1", "call-2"):
        refusal(world, "", world.binding(world.propose(call_id=call_id, turn=call_id)))
    assert world.kinds().count("execution_blocked") == 2


@pytest.mark.parametrize("seconds", [PERMIT_SECONDS, PERMIT_SECONDS + 1, 10**9])
def test_an_expired_permit_is_refused(world, seconds):
    """From the very moment of its expiry on."""
    proposal = world.propose()
    permit = world.permit(proposal)
    world.clock.advance(seconds)
    assert refusal(world, permit.id, world.binding(proposal)).code == "expired"
    assert world.effect(proposal).state is EffectState.RESERVED


def test_a_permit_changed_in_the_ledger_by_a_holder_of_the_row_key_only_is_refused(world):
    """The permit has a seal of its own: a row that opens does not make its permit genuine."""
    proposal = world.propose()
    permit = world.permit(proposal)
    world.clock.advance(PERMIT_SECONDS)
    record = world.effect(proposal)
    longer = permit.model_copy(update={"expires_at": permit.expires_at * 2})
    key = world.binding(proposal).effect_key()
    row = close_row(world.sealer, Table.EFFECTS, key, replace(record, permit=longer))
    now = world.ledger.get(Table.EFFECTS, key)
    assert world.ledger.apply([Change(row, replaces=now.seal)], durable=True)
    assert refusal(world, permit.id, world.binding(proposal)).code == "forged"


@pytest.mark.parametrize("tool", ["look", "sync"])
def test_a_call_that_runs_is_not_begun_again(world, tool):
    """In the process that runs it, and in any other while that one lives."""
    proposal = world.propose(tool)
    running = world.begin(proposal)
    assert refusal(world, running.permit.id, running.binding).code == "already_running"
    other = World(ledger=world.ledger, sink=world.sink)
    own, world.ledger.owner = world.ledger.owner, "another process"
    world.ledger.is_alive = lambda owner: owner in (own, "another process")
    assert refusal(other, running.permit.id, running.binding).code == "already_running"
    world.governor.execution.complete(running, result=RESULT, label=proposal.context)


def test_a_call_whose_process_died_is_unknown_and_not_begun_again(world):
    """A tool that is not idempotent had its one turn; the log says that nobody knows."""
    proposal = world.propose("look")
    running = world.begin(proposal)
    die(world)
    assert refusal(world, running.permit.id, running.binding).code == "unknown"
    assert world.effect(proposal).state is EffectState.UNKNOWN
    unknown = world.only("execution_unknown")
    assert (unknown.permit, unknown.call) == (running.permit.id, running.binding.call)
    assert refusal(world, running.permit.id, running.binding).code == "unknown"
    assert world.kinds().count("execution_unknown") == 1


def test_an_idempotent_call_whose_process_died_is_begun_again(world):
    """Declared idempotent, it gets another attempt under the same permit, and every attempt is recorded."""
    proposal = world.propose("sync")
    running = world.begin(proposal)
    for attempt in (2, 3):
        die(world)
        again = world.governor.execution.begin(running.permit.id, running.binding)
        assert world.effect(proposal).attempt == attempt
    assert world.kinds().count("execution_started") == 3
    world.governor.execution.complete(again, result=RESULT, label=proposal.context)
    assert refusal(world, running.permit.id, running.binding).code == "completed"


@pytest.mark.parametrize("field", ["call", "user", "policy", "tool_definition"])
@pytest.mark.parametrize("tool", ["look", "sync"])
def test_a_crash_loosens_nothing(world, tool, field):
    """After a crash, the permit is still for exactly the call that it was issued for."""
    proposal = world.propose(tool)
    running = world.begin(proposal)
    die(world)
    other, code = changed_bindings(world, running.binding)[field]
    assert refusal(world, running.permit.id, other).code == code
    assert refusal(world, "0" * 32, running.binding).code == "forged"
    assert world.effect(proposal).state is EffectState.STARTED


@pytest.mark.parametrize("tool", ["look", "sync"])
def test_a_crashed_call_is_accounted_for_even_after_its_permit_expired(world, tool):
    """It is not begun again on an expired permit, and it does not stay 'started' for ever."""
    proposal = world.propose(tool)
    running = world.begin(proposal)
    die(world)
    world.clock.advance(PERMIT_SECONDS)
    refusal(world, running.permit.id, running.binding)
    assert world.effect(proposal).state is EffectState.UNKNOWN
    assert "execution_unknown" in world.kinds()


def test_the_end_of_a_call_that_was_given_up_for_lost_is_not_kept(world):
    """A process that was taken for dead cannot complete an effect that is unknown by now."""
    proposal = world.propose("look")
    running = world.begin(proposal)
    dead = world.governor
    die(world)
    refusal(world, running.permit.id, running.binding)
    with pytest.raises(LedgerError):
        dead.execution.complete(running, result=RESULT, label=proposal.context)
    assert world.effect(proposal).state is EffectState.UNKNOWN


@pytest.mark.parametrize("tool", ["look", "sync"])
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_of_threads_that_begin_one_permit_exactly_one_does(tmp_path, tool, store):
    """Many threads, one permit, many times over."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3") if store == "sqlite" else None
    world = World(ledger=ledger)
    for step in range(30):
        proposal = world.propose(tool, call_id=f"call-{step}", turn=f"turn-{step}")
        permit, binding = world.permit(proposal), world.binding(proposal)
        start = threading.Barrier(4)

        def begin(_, start=start, permit=permit, binding=binding):
            start.wait()
            try:
                return world.governor.execution.begin(permit.id, binding)
            except PermitError as refused:
                return refused.code

        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(begin, range(4)))
        begun = [outcome for outcome in outcomes if isinstance(outcome, Running)]
        assert len(begun) == 1, outcomes
        assert {outcome for outcome in outcomes if not isinstance(outcome, Running)} <= {"used", "already_running"}
        world.governor.execution.complete(begun[0], result=RESULT, label=proposal.context)
    assert world.kinds().count("execution_started") == 30
    assert "execution_unknown" not in world.kinds()
    if ledger is not None:
        ledger.close()


@pytest.mark.parametrize("tool", ["look", "sync"])
def test_a_second_begin_while_the_first_waits_for_the_disk_is_refused(tool):
    """Between the ledger and the log, an effect is already running: nobody may begin it again or give it up."""

    class SlowSink(FailingSink):
        def commit(self):
            if waiting is not None and not waiting.is_set():
                waiting.set()
                assert go_on.wait(10)
            super().commit()

    waiting, go_on = None, threading.Event()
    world = World(sink=SlowSink())
    proposal = world.propose(tool)
    permit, binding = world.permit(proposal), world.binding(proposal)
    waiting = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.governor.execution.begin, permit.id, binding)
        assert waiting.wait(10)
        try:
            with pytest.raises(PermitError) as refused:
                world.governor.execution.begin(permit.id, binding)
        finally:
            go_on.set()
        running = first.result(10)
    assert refused.value.code == "already_running"
    assert "execution_unknown" not in world.kinds()
    world.governor.execution.complete(running, result=RESULT, label=proposal.context)
    assert world.effect(proposal).state is EffectState.COMPLETED


RACE = """
import os, sys
from contextlib import closing
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from runtime_kit import World
from aisecops_langchain.errors import PermitError
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger

path, tool = Path(sys.argv[1]), sys.argv[3]
with closing(SqliteLedger(path)) as ledger:
    world = World(ledger=ledger)
    permits = []
    for step in range(40):
        proposal = world.propose(tool, call_id=f"call-{step}", turn=f"turn-{step}")
        permits.append((world.permit(proposal).id, world.binding(proposal)))
go_read, go_write = os.pipe()
out_read, out_write = os.pipe()
stay_read, stay_write = os.pipe()
children = []
for number in range(2):
    child = os.fork()
    if child == 0:
        try:
            os.close(go_write)
            os.close(stay_write)
            with closing(SqliteLedger(path)) as ledger:
                os.write(out_write, b"ready\\n")
                os.read(go_read, 1)
                world = World(ledger=ledger)
                for step, (permit, binding) in enumerate(permits):
                    try:
                        world.governor.execution.begin(permit, binding)
                        os.write(out_write, b"%d begun\\n" % step)
                    except PermitError as refused:
                        os.write(out_write, b"%d %s\\n" % (step, refused.code.encode()))
                os.write(out_write, b"done\\n")
                os.read(stay_read, 1)  # a process that has gone home would count as dead
        finally:
            os._exit(0)
    children.append(child)
ready = b""
while ready.count(b"ready") < 2:
    ready += os.read(out_read, 100)
os.close(go_write)
data = b""
while data.count(b"done") < 2:
    data += os.read(out_read, 65536)
sys.stdout.write(data.decode().replace("done\\n", ""))
os.close(stay_write)
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize("tool", ["look", "sync"])
def test_of_two_processes_that_begin_one_permit_exactly_one_does(tmp_path, tool):
    """Two processes on one ledger file, forty permits, each begun in exactly one of them."""
    code = [sys.executable, "-c", RACE, str(tmp_path / "ledger.sqlite3"), str(Path(__file__).parent), tool]
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, check=True)
    outcomes = [line.split() for line in done.stdout.splitlines()]
    assert sorted(int(step) for step, outcome in outcomes if outcome == "begun") == list(range(40)), done.stdout
    losers = {outcome for _, outcome in outcomes if outcome != "begun"}
    assert len(outcomes) == 80
    assert losers <= {"used", "already_running"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE effects SET state='reserved', body=CAST(replace(body,'started','reserved') AS BLOB)",
        "UPDATE effects SET body=replace(body,'started','reserved')",
        "UPDATE effects SET state='reserved'",
        "UPDATE effects SET seal='0'",
        "UPDATE effects SET body=x''",
    ],
)
def test_an_effect_edited_at_rest_is_an_error_and_nothing_runs(tmp_path, statement):
    """Setting a started effect back to reserved by hand does not begin it again."""
    path = tmp_path / "ledger.sqlite3"
    with closing(SqliteLedger(path)) as ledger:
        world = World(ledger=ledger, sink=MemorySink())
        proposal = world.propose("sync")
        running = world.begin(proposal)
        with closing(sqlite3.connect(path)) as attacker:
            attacker.execute(statement)
            attacker.commit()
        with pytest.raises(LedgerError, match="seal"):
            world.governor.execution.begin(running.permit.id, running.binding)
        with pytest.raises(LedgerError, match="seal"):
            world.decide(proposal)
        assert world.kinds().count("execution_started") == 1
