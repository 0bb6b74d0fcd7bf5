"""Whatever part fails at whatever moment, nothing runs unpermitted, unrecorded or twice."""

from __future__ import annotations

import pytest
from runtime_kit import ALICE, FailingClock, FailingLedger, FailingSink, World

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import AisecopsError, AuditWriteError, LedgerError, PermitError
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.ports import ClockError


class Run:
    """Carries one call through the house as the nodes do, and notes what was known whenever the tool ran."""

    def __init__(self, world: World, tool: str) -> None:
        self.world = world
        self.tool = tool
        self.ran: list[set[tuple[str, str]]] = []
        self.outcomes: list[str] = []
        self.running = None

    def attempt(self) -> None:
        """Go the whole way once; a failure ends the attempt, as it ends a node."""
        try:
            self._attempt()
        except (AisecopsError, OSError) as error:
            self.outcomes.append(type(error).__name__)

    def _attempt(self) -> None:
        world = self.world
        proposal = world.propose(self.tool, amount=5)
        verdict = world.decide(proposal)
        if isinstance(verdict, NeedsApproval):
            world.governor.approvals.request(verdict.binding, parents=(verdict.event,))
            world.governor.approvals.answer(verdict.binding, Approve(), ALICE)
            verdict = world.decide(proposal)
        if not isinstance(verdict, Permitted):
            self.outcomes.append(type(verdict).__name__)
            return
        running = world.governor.execution.begin(verdict.permit.id, world.binding(proposal))
        self.ran.append(self._known(verdict.permit.id, proposal.step.call.digest))
        world.governor.execution.complete(running, result="sha256:0", label=proposal.context)
        self.outcomes.append("completed")

    def _known(self, permit: str, call: str) -> set[tuple[str, str]]:
        """Kinds of the durable events about this permit or this call."""
        durable = getattr(self.world.sink, "durable", self.world.sink.events)
        known = set()
        for event in durable:
            if getattr(event, "permit", None) == permit:
                known.add((event.kind, "permit"))
            recorded = getattr(event, "call", None)
            if recorded == call or getattr(recorded, "digest", None) == call:
                known.add((event.kind, "call"))
        return known


STEPS_BEFORE_TOOL = {"look": 6, "pay": 16}
"""Appends and commits from the first decision to the tool."""

NEEDED = {("decision_made", "call"), ("permit_issued", "permit"), ("execution_started", "permit")}


def require_sound(run: Run, tool: str, where: object) -> None:
    """What must hold after any number of attempts with any fault."""
    assert len(run.ran) <= 1, where
    needed = NEEDED | ({("approval_granted", "call")} if tool == "pay" else set())
    for known in run.ran:
        assert needed <= known, where
    assert run.outcomes.count("completed") <= 1, where


def every_fault(make, tool, attempts=3):
    """Run into the n-th fault for every n, until there are no operations left to fail."""
    number = 0
    while True:
        number += 1
        world = make(number)
        run = Run(world, tool)
        for _ in range(attempts):
            run.attempt()
        yield number, run
        if (world.faults.count if hasattr(world, "faults") else 0) < number:
            return


@pytest.mark.parametrize("tool", ["look", "pay"])
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("error", [AuditWriteError, OSError])
def test_a_log_that_fails_at_any_append_or_commit(tool, lasting, error):
    """No permit is used unless decision, permit and intent are durable; a broken log never lets a tool run."""

    def make(number):
        world = World(sink=FailingSink(number, error=error, lasting=lasting))
        world.faults = world.sink.faults
        return world

    finished = False
    for number, run in every_fault(make, tool):
        require_sound(run, tool, number)
        hit = run.world.faults.count >= number
        if lasting and hit:
            assert not (number <= STEPS_BEFORE_TOOL[tool] and run.ran), number
        finished = finished or not hit
    assert finished


@pytest.mark.parametrize("tool", ["look", "pay"])
def test_the_log_is_asked_for_everything_before_the_tool_runs(tool):
    """The bounds of the test above are right, and the last thing before the tool is a durable intent."""
    world = World(sink=FailingSink())
    world.begin(world.propose(tool, amount=5))
    assert world.sink.faults.count == STEPS_BEFORE_TOOL[tool]
    assert world.sink.durable[-1].kind == "execution_started"


@pytest.mark.parametrize("tool", ["look", "pay"])
@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [LedgerError, OSError])
def test_a_ledger_that_fails_at_any_operation(tool, lasting, after, error):
    """Failing before or after the write took place, the ledger never lets a call run twice or unrecorded."""

    def make(number):
        world = World(ledger=FailingLedger(number, error=error, lasting=lasting, after=after), sink=FailingSink())
        world.faults = world.ledger.faults
        return world

    for number, run in every_fault(make, tool):
        require_sound(run, tool, number)


@pytest.mark.parametrize("tool", ["look", "pay"])
@pytest.mark.parametrize("tells", [None, 0, -(10**18)])
def test_a_clock_that_fails_at_any_reading(tool, tells):
    """A clock that raises or tells nonsense once never makes a call run twice or unrecorded."""

    def make(number):
        world = World(clock=FailingClock(number, tells=tells), sink=FailingSink())
        world.faults = world.clock.faults
        return world

    for number, run in every_fault(make, tool):
        require_sound(run, tool, number)


@pytest.mark.parametrize("tells", [None, 0, -1])
def test_a_dead_clock_stops_everything(tells):
    """With no usable time at all, no attempt ever runs anything."""
    world = World(clock=FailingClock(1, tells=tells, lasting=True, error=ClockError))
    for tool in ("look", "pay", "sync"):
        run = Run(world, tool)
        run.attempt()
        assert run.ran == []
        assert run.outcomes == ["ClockError"]


@pytest.mark.parametrize("moment", ["append", "commit"])
def test_an_intent_that_cannot_be_recorded_spends_the_permit(moment):
    """The tool never started, and the same permit never starts it later."""
    world = World(sink=FailingSink())
    proposal = world.propose()
    permit = world.permit(proposal)
    faults = world.sink.faults
    faults.at, faults.error = faults.count + (1 if moment == "append" else 2), AuditWriteError
    with pytest.raises(AuditWriteError):
        world.begin(proposal, permit.id)
    assert world.effect(proposal).state is EffectState.FAILED
    with pytest.raises(PermitError) as refused:
        world.begin(proposal, permit.id)
    assert refused.value.code == "failed"


def ends(world, proposal, running):
    """The ways in which an effect can end."""
    execution = world.governor.execution
    return {
        "complete": lambda: execution.complete(running, result="sha256:0", label=proposal.context),
        "fail": lambda: execution.fail(running, error="ValueError"),
        "lose": lambda: execution.lose(running, reason="cancelled"),
    }


@pytest.mark.parametrize("broken", ["log", "ledger"])
@pytest.mark.parametrize("outcome", ["complete", "fail", "lose"])
def test_an_outcome_that_cannot_be_recorded_is_not_recorded_as_done(broken, outcome):
    """The effect does not count as completed; a non-idempotent one is unknown as soon as anybody asks again."""
    world = World(sink=FailingSink(), ledger=FailingLedger())
    proposal = world.propose()
    running = world.begin(proposal)
    faults = world.sink.faults if broken == "log" else world.ledger.faults
    faults.at, faults.lasting = faults.count + 1, True
    with pytest.raises((AuditWriteError, LedgerError)):
        ends(world, proposal, running)[outcome]()
    faults.at = 0
    assert world.effect(proposal).state is EffectState.STARTED
    with pytest.raises(PermitError) as refused:
        world.governor.execution.begin(running.permit.id, world.binding(proposal))
    assert refused.value.code == "unknown"
    assert world.effect(proposal).state is EffectState.UNKNOWN
    assert "execution_unknown" in world.kinds()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("outcome", "state"), [("complete", "completed"), ("fail", "failed"), ("lose", "unknown")])
def test_an_outcome_outlives_one_refusal_of_the_ledger(outcome, state, after):
    """As after a restart of its server, whether or not the refused write took place: one end, and the same in both."""
    world = World(ledger=FailingLedger(after=after))
    proposal = world.propose()
    running = world.begin(proposal)
    world.ledger.faults.at = world.ledger.faults.count + 1
    ends(world, proposal, running)[outcome]()
    assert world.effect(proposal).state.value == state
    assert [kind for kind in world.kinds() if kind.startswith("execution_")] == [
        "execution_started",
        f"execution_{state}",
    ]


def test_an_outcome_that_comes_too_late_does_not_undo_what_others_found():
    """Between the refused write and the next somebody took the process for dead: the effect stays unknown."""
    world = World(ledger=FailingLedger())
    proposal = world.propose()
    running = world.begin(proposal)
    other = world.new_governor()
    world.ledger.owner = "another"  # so that the first counts as dead to the other
    with pytest.raises(PermitError):
        other.execution.begin(running.permit.id, world.binding(proposal))
    world.ledger.faults.at = world.ledger.faults.count + 1
    with pytest.raises(LedgerError, match="changed while it ran"):
        world.governor.execution.complete(running, result="sha256:0", label=proposal.context)
    assert world.effect(proposal).state is EffectState.UNKNOWN


def test_a_refusal_stands_even_if_it_cannot_be_recorded():
    """A broken log does not turn a refusal into anything else."""
    world = World(sink=FailingSink())
    proposal = world.propose()
    world.sink.faults.at, world.sink.faults.lasting = world.sink.faults.count + 1, True
    with pytest.raises(PermitError) as refused:
        world.begin(proposal, "0" * 32)
    assert refused.value.code == "unknown"
