"""The gate: what policy answers, and only that, makes a permit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from runtime_kit import ALICE, PERMIT_SECONDS, POLICY, FailingClock, World, edited

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.labels import UNLABELLED
from aisecops_langchain.domain.permit import ApprovalState, EffectState
from aisecops_langchain.errors import AisecopsError, LedgerError, PermitError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.permits import is_genuine
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.ledger.records import close_row
from aisecops_langchain.runtime.ports import Change, ClockError, Row, Table
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import MemoryLedger


def test_an_allowed_call_gets_a_permit_for_exactly_itself():
    """The permit names the call, the plan and the place, carries our seal and expires when policy says."""
    world = World()
    proposal = world.propose(place="here")
    verdict = world.decide(proposal)
    assert isinstance(verdict, Permitted)
    assert verdict.permit.binding == world.binding(proposal)
    assert is_genuine(world.sealer, verdict.permit)
    assert verdict.permit.expires_at - verdict.permit.issued_at == PERMIT_SECONDS * 1_000_000_000
    assert world.effect(proposal).state is EffectState.RESERVED
    assert world.kinds() == ["capability_allowed", "policy_allowed", "decision_made", "permit_issued"]
    assert world.only("permit_issued").parents == (world.only("decision_made").id,)


@pytest.mark.parametrize(
    ("tool", "arguments"), [("wipe", {}), ("pay", {"amount": 5000}), ("pay", {"amount": "not a number"})]
)
def test_a_denied_call_leaves_a_decision_and_nothing_in_the_ledger(tool, arguments):
    """Deny wins over require_approval, and a rule that errs denies."""
    world = World()
    proposal = world.propose(tool, **arguments)
    verdict = world.decide(proposal)
    assert isinstance(verdict, Denied)
    assert verdict.code == "policy"
    assert world.effect(proposal) is None
    assert world.only("decision_made").decision.effect is Effect.DENY
    assert "permit_issued" not in world.kinds()


def test_a_denial_tells_the_model_nothing_of_the_arguments():
    """The message that goes back is neutral."""
    world = World()
    assert "4711" not in world.decide(world.propose("wipe", secret="4711")).message


def test_a_call_that_needs_approval_gets_a_question_and_no_permit():
    """However often it is decided on, it stays a question until someone answers."""
    world = World()
    proposal = world.propose("pay", amount=5)
    for _ in range(3):
        verdict = world.decide(proposal)
        assert isinstance(verdict, NeedsApproval)
        assert verdict.binding == world.binding(proposal)
        assert verdict.briefing.risk == "high"
    assert world.only("decision_made").decision.effect is Effect.REQUIRE_APPROVAL
    assert world.effect(proposal) is None
    assert world.kinds() == ["capability_allowed", "decision_made"]


def test_deciding_again_gives_the_same_permit():
    """A node that runs twice issues one permit and records one."""
    world = World()
    proposal = world.propose()
    first, second = world.decide(proposal), world.decide(proposal)
    assert first == second
    assert world.kinds().count("permit_issued") == 1
    assert world.kinds().count("decision_made") == 1


def test_another_governor_over_the_same_ledger_gives_the_same_permit():
    """A process that takes over finds the permit that is still good."""
    world = World()
    proposal = world.propose()
    first = world.decide(proposal)
    assert world.new_governor().gate.decide(proposal, world.scope) == first


@pytest.mark.parametrize("seconds", [PERMIT_SECONDS, PERMIT_SECONDS + 1])
def test_an_expired_permit_is_replaced_and_void(seconds):
    """From its expiry on, the old permit starts nothing, the new one does."""
    world = World()
    proposal = world.propose()
    old = world.permit(proposal)
    world.clock.advance(seconds)
    new = world.permit(proposal)
    assert new.id != old.id
    with pytest.raises(PermitError) as refused:
        world.begin(proposal, old.id)
    assert refused.value.code == "forged"
    assert world.begin(proposal, new.id).permit == new


def test_a_permit_is_kept_up_to_its_last_moment():
    """One nanosecond before its expiry it is the same permit still."""
    world = World()
    proposal = world.propose()
    old = world.permit(proposal)
    world.clock.advance(PERMIT_SECONDS - 0.001)
    assert world.permit(proposal) == old


@pytest.mark.parametrize("end", ["running", "completed", "failed", "unknown"])
@pytest.mark.parametrize("tool", ["look", "sync"])
def test_a_step_that_was_begun_gets_no_permit_again(end, tool):
    """Whatever became of it, this step of this plan had its turn."""
    world = World()
    proposal = world.propose(tool)
    running = world.begin(proposal)
    execution = world.governor.execution
    if end == "completed":
        execution.complete(running, result="sha256:0", label=proposal.context)
    elif end == "failed":
        execution.fail(running, error="ValueError")
    elif end == "unknown":
        execution.lose(running, reason="test")
    verdict = world.decide(proposal)
    assert isinstance(verdict, Denied)
    told = {"running": "already_running", "unknown": "outcome_unknown"}
    assert verdict.code == told.get(end, "already_used")


@pytest.mark.parametrize("tool", ["look", "sync"])
def test_a_step_whose_process_died_is_accounted_for_when_the_gate_meets_it(tool):
    """The run may come back before the guard, not only to the executor; either way nothing stays 'started' for ever."""
    world = World()
    proposal = world.propose(tool)
    running = world.begin(proposal)
    world.ledger.owner = "another process"
    world.governor = world.new_governor()
    verdict = world.decide(proposal)
    if tool == "sync" and isinstance(verdict, Permitted):
        assert verdict.permit == running.permit
        world.begin(proposal, verdict.permit.id)
        return
    assert isinstance(verdict, Denied)
    assert verdict.code == "outcome_unknown"
    assert world.effect(proposal).state is EffectState.UNKNOWN
    assert world.only("execution_unknown").permit == running.permit.id


def test_the_same_call_in_a_new_plan_is_another_step():
    """Single use is per step, not for ever."""
    world = World()
    first, second = world.propose(turn="turn-1"), world.propose(turn="turn-2")
    assert world.permit(first).id != world.permit(second).id


def test_a_permit_of_one_step_is_not_good_for_another():
    """Two like calls of one agent have two permits that cannot be swapped."""
    world = World()
    first, second = world.propose(call_id="a"), world.propose(call_id="b", turn="turn-2")
    permit = world.permit(first)
    world.permit(second)
    with pytest.raises(PermitError) as refused:
        world.begin(second, permit.id)
    assert refused.value.code == "forged"


def test_a_call_changed_after_planning_is_denied():
    """Without a person's edit, only the planned call is decided on; policy is not even asked."""
    world = World()
    proposal = world.propose("look", place="here")
    verdict = world.decide(edited(proposal, place="there"))
    assert isinstance(verdict, Denied)
    assert verdict.code == "changed_after_planning"
    assert world.kinds() == []


def test_an_answer_for_one_call_does_not_cover_a_changed_one():
    """Approved as planned, the call may not be changed into another afterwards."""
    world = World()
    proposal = world.propose("pay", amount=5)
    binding = world.ask(proposal)
    world.governor.approvals.answer(binding, Approve(), ALICE)
    assert world.decide(edited(proposal, amount=6)).code == "changed_after_planning"
    other = edited(proposal, amount=6)
    pretended = replace(other, planned_call=other.step.call.digest)
    assert isinstance(world.decide(pretended), NeedsApproval)
    assert world.effect(pretended) is None


def test_an_approved_call_gets_one_permit_and_the_approval_is_used_up():
    """The permit and the end of the approval are one transaction."""
    world = World()
    proposal = world.propose("pay", amount=5)
    permit = world.permit(proposal)
    key = world.binding(proposal).approval_key()
    assert world.governor.approvals.find(key).state is ApprovalState.CONSUMED
    assert world.effect(proposal).approval == key
    assert world.only("permit_issued").approval == key
    assert world.only("permit_issued").parents == (world.only("approval_granted").id,)
    assert world.decide(proposal).permit == permit


def test_a_used_approval_never_gives_a_second_permit():
    """After the permit that it gave has expired, a person must be asked anew, in a new plan."""
    world = World()
    proposal = world.propose("pay", amount=5)
    world.permit(proposal)
    world.clock.advance(PERMIT_SECONDS)
    verdict = world.decide(proposal)
    assert isinstance(verdict, Denied)
    assert verdict.code == "approval_void"


@pytest.mark.parametrize(
    "change",
    [
        {"principal": {"user": "mallory"}},
        {"principal": {"agent": "intern"}},
        {"policy": "sha256:other"},
        {"checkpoint_ns": "sub:1"},
    ],
)
def test_an_approval_is_void_in_another_context(change):
    """An approval that was given to one user, agent, policy or place permits nothing elsewhere."""
    world = World()
    proposal = world.propose("pay", amount=5)
    world.governor.approvals.answer(world.ask(proposal), Approve(), ALICE)
    update = dict(change)
    if "principal" in update:
        update["principal"] = world.scope.principal.model_copy(update=update["principal"])
    elsewhere = world.scope.model_copy(update=update)
    verdict = world.governor.gate.decide(proposal, elsewhere)
    assert isinstance(verdict, Denied)
    assert world.effect(proposal) is None


@pytest.mark.parametrize("field", ["thread", "tenant"])
def test_an_approval_says_nothing_on_another_thread_or_tenant(field):
    """There the question is open."""
    world = World()
    proposal = world.propose("pay", amount=5)
    world.governor.approvals.answer(world.ask(proposal), Approve(), ALICE)
    if field == "thread":
        elsewhere = world.scope.model_copy(update={"thread": "thread-2"})
    else:
        principal = world.scope.principal.model_copy(update={"tenant": "evil"})
        elsewhere = world.scope.model_copy(update={"principal": principal})
    assert isinstance(world.governor.gate.decide(proposal, elsewhere), NeedsApproval)


def test_policy_is_asked_again_when_it_has_changed():
    """What another policy permitted before is decided on anew, and its permit is not good here."""
    world = World()
    proposal = world.propose()
    old = world.permit(proposal)
    strict = World(ledger=world.ledger, sink=world.sink, policy=parse_policy(STRICT))
    verdict = strict.decide(proposal)
    assert isinstance(verdict, Denied)
    with pytest.raises(PermitError) as refused:
        strict.begin(proposal, old.id)
    assert refused.value.code == "policy"


STRICT = """
version: 1
id: strict
agents: {clerk: {capabilities: [reading]}}
capabilities: {reading: {tools: [look]}}
rules: [{id: nothing, effect: deny, tools: [look]}]
"""


@pytest.mark.parametrize("stage", ["before", "after"])
def test_a_reservation_forged_in_the_ledger_stops_everything(stage):
    """A row that another key sealed is an error, for the gate as for the executor."""
    world = World()
    proposal = world.propose()
    if stage == "after":
        world.permit(proposal)
    forger = World()
    record = forger.permit(proposal)
    key = world.binding(proposal).effect_key()
    forged = close_row(Sealer(bytes(32)), Table.EFFECTS, key, forger.effect(proposal))
    now = world.ledger.get(Table.EFFECTS, key)
    assert world.ledger.apply([Change(forged, replaces=now.seal if now else None)], durable=True)
    with pytest.raises(LedgerError):
        world.decide(proposal)
    with pytest.raises(LedgerError):
        world.begin(proposal, record.id)
    assert "execution_started" not in world.kinds()


def test_two_workers_that_reserve_a_step_at_once_hold_one_permit():
    """If another worker reserves the step just before this one writes, both get that one permit, good for one run."""
    raced = []

    class Raced(MemoryLedger):
        def apply(self, changes, *, durable, charges=()):
            if not raced:
                raced.append(True)
                raced.append(other.gate.decide(proposal, world.scope))
            return super().apply(changes, durable=durable, charges=charges)

    world = World(ledger=Raced())
    other = world.new_governor()
    proposal = world.propose()
    verdict = world.decide(proposal)
    assert verdict == raced[1]
    assert len([kind for kind in world.kinds() if kind == "permit_issued"]) == 1


class Raced(MemoryLedger):
    """A ledger in which somebody acts once between the look at an effect and the write of it."""

    def __init__(self):
        super().__init__()
        self.meanwhile = None

    def get(self, table, key):
        row = super().get(table, key)
        if table is Table.EFFECTS and self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act(key)
        return row


def approved_in_a_race():
    """A step with its yes, and the ledger that it is about to be permitted on."""
    world = World(ledger=Raced())
    proposal = world.propose("pay", amount=5)
    world.governor.approvals.answer(world.ask(proposal), Approve(), ALICE)
    return world, proposal


def test_a_row_that_is_forged_in_between_is_an_error_and_no_permit():
    """A reservation that appears after the row was looked for, and before it is written, is never written over."""
    world, proposal = approved_in_a_race()

    def forge(key):
        row = Row(Table.EFFECTS, key, "reserved", b"{}", "another worker's")
        assert world.ledger.apply([Change(row)], durable=False)

    world.ledger.meanwhile = forge
    with pytest.raises(LedgerError):
        world.decide(proposal)
    assert "permit_issued" not in world.kinds()


def test_whoever_comes_second_gets_the_permit_of_whoever_came_first():
    """The first one may die with it unused: then the second one carries the call out, under the same single permit."""
    world, proposal = approved_in_a_race()
    other, won = world.new_governor(), []
    world.ledger.meanwhile = lambda key: won.append(other.gate.decide(proposal, world.scope))
    verdict = world.decide(proposal)
    assert [verdict] == won
    world.begin(proposal, verdict.permit.id)
    with pytest.raises(PermitError):
        other.execution.begin(verdict.permit.id, world.binding(proposal))
    assert world.only("permit_issued").permit == verdict.permit.id


def test_whoever_comes_after_the_start_is_told_that_it_runs():
    world, proposal = approved_in_a_race()

    def carry_out(key):
        world.begin(proposal)

    world.ledger.meanwhile = carry_out
    assert world.decide(proposal).code == "already_running"


@pytest.mark.parametrize("tells", [None, 0, -1])
@pytest.mark.parametrize("tool", ["look", "pay"])
def test_without_a_usable_clock_nothing_is_permitted(tells, tool):
    """A clock that raises, or tells no time after 1970, ends every way to a permit."""
    world = World()
    proposal = world.propose(tool, amount=5)
    if tool == "pay":
        world.governor.approvals.answer(world.ask(proposal), Approve(), ALICE)
    broken = world.new_governor(clock=FailingClock(1, tells=tells, lasting=True))
    with pytest.raises(ClockError):
        broken.gate.decide(proposal, world.scope)
    assert world.effect(proposal) is None
    permit = world.permit(proposal)
    with pytest.raises(AisecopsError):
        broken.execution.begin(permit.id, world.binding(proposal))
    assert "execution_started" not in world.kinds()


@pytest.mark.parametrize("tells", [None, 0, -1])
def test_a_clock_that_fails_once_never_makes_a_permit_that_can_be_used_late(tells):
    """Whichever reading fails, what comes out is an error or a permit that expires in time."""
    reading = 0
    while True:
        reading += 1
        world = World(clock=FailingClock(reading, tells=tells))
        proposal = world.propose()
        try:
            verdict = world.decide(proposal)
        except ClockError:
            pass
        else:
            assert isinstance(verdict, Permitted)
            assert verdict.permit.expires_at <= FailingClock().now() + PERMIT_SECONDS * 1_000_000_000
        if world.clock.faults.count < reading:
            break
        world.clock.advance(PERMIT_SECONDS)
        row = world.effect(proposal)
        if row is not None:
            with pytest.raises(PermitError):
                world.begin(proposal, row.permit.id)
    assert reading > 4


@pytest.mark.parametrize("tells", [0, -1])
def test_a_clock_that_fails_once_never_revives_an_expired_permit(tells):
    """A reading that is no time must not count as 'before the expiry'."""
    for reading in range(1, 8):
        world = World()
        proposal = world.propose()
        permit = world.permit(proposal)
        world.clock.advance(PERMIT_SECONDS)
        late = FailingClock(reading, tells=tells)
        late.advance(PERMIT_SECONDS)
        with pytest.raises(AisecopsError):
            world.new_governor(clock=late).execution.begin(permit.id, world.binding(proposal))
        assert "execution_started" not in world.kinds()


def test_the_gate_writes_nothing_when_it_only_builds_a_request():
    """Explaining and dry runs leave no trace, no approval and no permit."""
    world = World()
    request = world.governor.gate.request_for(world.propose("pay", amount=5), world.scope)
    assert POLICY.decide(request).effect is Effect.REQUIRE_APPROVAL
    assert world.kinds() == []
    assert list(world.ledger.scan(Table.APPROVALS)) == []


def test_every_pass_with_other_grounds_is_recorded():
    """If the context changed between two passes, the log holds the grounds of both decisions."""
    world = World()
    proposal = world.propose("pay", amount=5)
    world.decide(proposal)
    world.decide(replace(proposal, context=proposal.context.join(UNLABELLED)))
    contexts = [event.context for event in world.sink.events if event.kind == "decision_made"]
    assert contexts == [proposal.context, proposal.context.join(UNLABELLED)]


def test_insisting_on_denied_calls_stops_a_run():
    """The same call is denied so often and no more; other runs are not affected."""
    world = World()
    limit = POLICY.limits.max_repeated_denials
    answers = [world.governor.oversight.must_stop(world.scope, "sha256:call") for _ in range(limit)]
    assert answers == [False] * (limit - 1) + [True]
    other = world.scope.model_copy(update={"trace": "cd" * 16})
    assert world.governor.oversight.must_stop(other, "sha256:call") is False


def test_insisting_with_ever_new_calls_stops_a_run_too():
    """A model that varies its arguments is stopped by the bound on all denials."""
    world = World()
    limit = POLICY.limits.max_denials_per_run
    answers = [world.governor.oversight.must_stop(world.scope, f"sha256:{number}") for number in range(limit)]
    assert answers == [False] * (limit - 1) + [True]
