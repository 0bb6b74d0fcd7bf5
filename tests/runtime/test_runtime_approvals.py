"""Approvals: one answer, in time, in the place where it was asked, for one call, once."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress

import pytest
from runtime_kit import ALICE, APPROVAL_SECONDS, MALLORY, FailingClock, World, edited

from aisecops_langchain.domain.permit import ApprovalState, VoidBy
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import LedgerError, PermitError
from aisecops_langchain.runtime.approvals.service import Approve, Edit, Reject
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import ClockError, Table
from aisecops_langchain.sealing import Sealer


@pytest.fixture
def world():
    return World()


def pay(world, **more):
    return world.propose("pay", amount=5, **more)


def test_asking_is_durable_before_it_is_shown(world):
    """The request is in the log and in the ledger, pending, with its expiry."""
    binding = world.ask(pay(world))
    record = world.governor.approvals.find(binding.approval_key())
    assert record.state is ApprovalState.PENDING
    assert record.expires_at - record.requested_at == APPROVAL_SECONDS * 1_000_000_000
    assert record.binding == binding
    assert world.only("approval_requested").approval == binding.approval_key()
    assert world.only("approval_requested").parents == (world.only("decision_made").id,)
    assert world.only("run_paused").waiting_for == binding.approval_key()


def test_asking_twice_finds_the_first_request(world):
    """A node that runs again neither asks anew nor extends the time."""
    binding = world.ask(pay(world))
    first = world.governor.approvals.find(binding.approval_key())
    world.clock.advance(100)
    assert world.governor.approvals.request(binding) == first
    assert world.kinds().count("approval_requested") == 1


def test_a_yes_is_recorded_with_who_gave_it(world):
    """The log says who approved, and whether an identity provider vouched for the name."""
    binding = world.ask(pay(world))
    record = world.governor.approvals.answer(binding, Approve(), ALICE)
    assert (record.state, record.approver) == (ApprovalState.GRANTED, ALICE)
    assert world.only("approval_granted").approver == ALICE
    assert world.only("run_resumed").parents == (world.only("approval_granted").id,)


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (Approve(), Reject("no"), ApprovalState.GRANTED),
        (Reject("no"), Approve(), ApprovalState.REJECTED),
        (Reject("no"), Edit(CanonicalCall.of("pay", {"amount": 6})), ApprovalState.REJECTED),
    ],
)
def test_only_the_first_answer_counts(world, first, second, stays):
    """A later answer, whoever gives it, changes nothing and is not recorded as an answer."""
    binding = world.ask(pay(world))
    before = world.governor.approvals.answer(binding, first, ALICE)
    after = world.governor.approvals.answer(binding, second, MALLORY)
    assert after == before
    assert after.state is stays
    assert [kind for kind in world.kinds() if kind in ("approval_granted", "approval_rejected")] == [
        f"approval_{stays}"
    ]


def test_an_edit_after_a_yes_changes_nothing(world):
    """What was approved cannot be swapped for something else by a second answer."""
    binding = world.ask(pay(world))
    world.governor.approvals.answer(binding, Approve(), ALICE)
    edit = Edit(CanonicalCall.of("pay", {"amount": 900}))
    assert world.governor.approvals.answer(binding, edit, MALLORY).edited_call is None


@pytest.mark.parametrize("answer", [Approve(), Reject(), Edit(CanonicalCall.of("pay", {"amount": 6}))])
@pytest.mark.parametrize("late", [0, 1, 10**6])
def test_an_answer_after_the_expiry_is_none(world, answer, late):
    """From the moment of expiry on, every answer finds the request expired, and the call is denied."""
    proposal = pay(world)
    binding = world.ask(proposal)
    world.clock.advance(APPROVAL_SECONDS + late)
    assert world.governor.approvals.answer(binding, answer, ALICE).state is ApprovalState.EXPIRED
    assert world.only("approval_expired").approval == binding.approval_key()
    verdict = world.decide(proposal)
    assert isinstance(verdict, Denied)
    assert verdict.code == "approval_expired"


@pytest.mark.parametrize("tells", [0, -1])
def test_a_clock_that_tells_no_time_does_not_keep_a_request_open(world, tells):
    """With an unusable reading there is no answer, least of all a late yes."""
    proposal = pay(world)
    binding = world.ask(proposal)
    world.clock.advance(APPROVAL_SECONDS)
    for reading in range(1, 5):
        late = FailingClock(reading, tells=tells)
        late.advance(APPROVAL_SECONDS)
        with suppress(ClockError):
            world.new_governor(clock=late).approvals.answer(binding, Approve(), ALICE)
        assert not isinstance(world.decide(proposal), Permitted)


def test_nobody_can_answer_what_was_never_asked(world):
    """An answer without a request is an error and makes no approval."""
    proposal = pay(world)
    with pytest.raises(LedgerError, match="nobody was asked"):
        world.governor.approvals.answer(world.binding(proposal), Approve(), MALLORY)
    assert isinstance(world.decide(proposal), NeedsApproval)


@pytest.mark.parametrize("field", ["thread", "tenant", "plan", "call", "call_id", "tool_definition"])
def test_an_answer_for_another_call_or_place_finds_no_request(world, field):
    """Whatever names the request is part of its key."""
    binding = world.ask(pay(world))
    scope = binding.scope
    if field == "thread":
        other = binding.model_copy(update={"scope": scope.model_copy(update={"thread": "other"})})
    elif field == "tenant":
        principal = scope.principal.model_copy(update={"tenant": "other"})
        other = binding.model_copy(update={"scope": scope.model_copy(update={"principal": principal})})
    else:
        other = binding.model_copy(update={field: "other"})
    with pytest.raises(LedgerError):
        world.governor.approvals.answer(other, Approve(), MALLORY)
    assert world.governor.approvals.find(binding.approval_key()).state is ApprovalState.PENDING


YES = [Approve(), Edit(CanonicalCall.of("pay", {"amount": 6}))]


@pytest.mark.parametrize("field", ["policy", "checkpoint_ns", "tool"])
@pytest.mark.parametrize("answer", YES)
def test_a_yes_from_another_context_voids_the_request(world, field, answer):
    """Answered under another policy, place or tool, the request is void and says so; it is nobody's no."""
    proposal = pay(world)
    binding = world.ask(proposal)
    scope = binding.scope
    if field == "tool":
        other = binding.model_copy(update={"tool": "wipe"})
    else:
        other = binding.model_copy(update={"scope": scope.model_copy(update={field: "other"})})
    record = world.governor.approvals.answer(other, answer, MALLORY)
    assert record.state is ApprovalState.VOID
    assert record.void_by is (VoidBy.POLICY if field == "policy" else VoidBy.PLACE)
    assert "another context" in record.reason
    assert world.only("approval_rejected").principal.user == "ann"
    assert world.only("approval_rejected").approver.id == "nobody"
    verdict = world.decide(proposal)
    assert (verdict.code, "the policy changed" in verdict.message) == ("approval_void", field == "policy")
    assert not world.governor.approvals.was_rejected(binding)


@pytest.mark.parametrize("field", ["user", "agent", "issuer"])
@pytest.mark.parametrize("answer", [*YES, Reject("no")])
def test_an_answer_to_a_run_resumed_for_somebody_else_is_none(world, field, answer):
    """Whoever resumes in another name can neither say yes nor make the question go away."""
    proposal = pay(world)
    binding = world.ask(proposal)
    principal = binding.scope.principal.model_copy(update={field: "mallory"})
    other = binding.model_copy(update={"scope": binding.scope.model_copy(update={"principal": principal})})
    taken = world.governor.approvals.take(other, answer, ALICE)
    assert (taken.record.state, taken.refused) == (ApprovalState.PENDING, "another_requester")
    assert world.only("approval_answer_refused").code == "another_requester"
    assert isinstance(world.decide(proposal), NeedsApproval)
    assert world.governor.approvals.answer(binding, Approve(), ALICE).state is ApprovalState.GRANTED


def test_an_answer_may_come_under_another_trace(world):
    """The trace correlates; it authorises nothing and forbids nothing."""
    binding = world.ask(pay(world))
    other = binding.model_copy(update={"scope": binding.scope.model_copy(update={"trace": "cd" * 16})})
    assert world.governor.approvals.answer(other, Approve(), ALICE).state is ApprovalState.GRANTED


def test_an_edit_to_another_tool_is_a_no(world):
    """An approval for one tool never runs another, whatever the arguments."""
    proposal = pay(world)
    binding = world.ask(proposal)
    record = world.governor.approvals.answer(binding, Edit(CanonicalCall.of("look", {"amount": 5})), ALICE)
    assert record.state is ApprovalState.REJECTED
    assert record.edited_call is None
    assert isinstance(world.decide(proposal), Denied)


def test_an_edited_call_runs_and_the_planned_one_does_not(world):
    """The person's version gets the permit, once; the model's version is not covered any more."""
    proposal = pay(world)
    binding = world.ask(proposal)
    changed = edited(proposal, amount=6)
    world.governor.approvals.answer(binding, Edit(changed.step.call), ALICE)
    assert world.only("approval_granted").edited == changed.step.call.digest
    assert world.decide(proposal).code == "approval_mismatch"
    verdict = world.decide(changed)
    assert isinstance(verdict, Permitted)
    assert verdict.permit.binding.call == changed.step.call.digest
    assert isinstance(world.decide(proposal), Denied)
    with pytest.raises(PermitError) as refused:
        world.begin(proposal, verdict.permit.id)
    assert refused.value.code == "call"
    world.begin(changed, verdict.permit.id)


def test_policy_decides_on_an_edit_anew(world):
    """A person cannot edit a call into one that policy denies."""
    proposal = pay(world)
    binding = world.ask(proposal)
    changed = edited(proposal, amount=5000)
    world.governor.approvals.answer(binding, Edit(changed.step.call), ALICE)
    verdict = world.decide(changed)
    assert isinstance(verdict, Denied)
    assert verdict.code == "policy"
    assert world.effect(changed) is None


def test_only_the_edit_that_was_made_is_recognised(world):
    """A third version, neither planned nor edited by the person, is refused."""
    proposal = pay(world)
    binding = world.ask(proposal)
    world.governor.approvals.answer(binding, Edit(edited(proposal, amount=6).step.call), ALICE)
    assert world.decide(edited(proposal, amount=7)).code == "changed_after_planning"


def test_a_rejection_is_remembered_for_the_same_call_in_the_run(world):
    """The model may propose it again in a new turn; nobody is asked again."""
    binding = world.ask(pay(world))
    world.governor.approvals.answer(binding, Reject("too much"), ALICE)
    again = pay(world, turn="turn-2", call_id="call-2")
    verdict = world.decide(again)
    assert isinstance(verdict, Denied)
    assert verdict.code == "rejected"
    assert world.governor.approvals.was_rejected(world.binding(again))


def test_a_rejection_does_not_reach_other_calls_or_runs(world):
    """Another amount, another run or another thread is another question."""
    world.governor.approvals.answer(world.ask(pay(world)), Reject(), ALICE)
    assert isinstance(world.decide(world.propose("pay", turn="turn-2", amount=6)), NeedsApproval)
    for update in ({"trace": "cd" * 16}, {"thread": "thread-2"}):
        scope = world.scope.model_copy(update=update)
        proposal = world.propose("pay", turn="turn-3", scope=scope, amount=5)
        assert isinstance(world.governor.gate.decide(proposal, scope), NeedsApproval)


def test_the_same_call_can_be_rejected_in_two_plans(world):
    """Two like calls of one run, asked about together, can both be refused."""
    first = world.ask(pay(world, turn="turn-1"))
    second = world.ask(pay(world, turn="turn-2"))
    for binding in (first, second):
        assert world.governor.approvals.answer(binding, Reject(), ALICE).state is ApprovalState.REJECTED


def test_a_long_reason_is_cut(world):
    """What a person writes does not grow the log without bound."""
    binding = world.ask(pay(world))
    assert len(world.governor.approvals.answer(binding, Reject("x" * 10_000), ALICE).reason) <= 500


def test_an_answer_that_was_kept_but_not_logged_is_logged_before_the_permit(world):
    """If the process died between ledger and log, the gate writes the answer before it counts."""
    proposal = pay(world)
    binding = world.ask(proposal)
    kept = list(world.sink.events)
    world.governor.approvals.answer(binding, Approve(), ALICE)
    world.sink.events[:] = kept
    world.sink._ids.intersection_update({event.id for event in kept})
    world.permit(proposal)
    kinds = world.kinds()
    assert kinds.index("approval_granted") < kinds.index("permit_issued")


class TestEditedAtRest:
    """Somebody with write access to the SQLite file, but without the key, makes himself a yes."""

    @pytest.fixture
    def world(self, tmp_path):
        self.path = tmp_path / "ledger.sqlite3"
        with closing(SqliteLedger(self.path)) as ledger:
            yield World(ledger=ledger)

    def execute(self, statement, *values):
        with closing(sqlite3.connect(self.path)) as attacker:
            assert attacker.execute(statement, values).rowcount == 1
            attacker.commit()

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE approvals SET state='granted', body=CAST(replace(body,'pending','granted') AS BLOB)",
            "UPDATE approvals SET state='granted', body=replace(body,'pending','granted')",
            "UPDATE approvals SET body=CAST(json_set(CAST(body AS TEXT), '$.state', 'granted') AS BLOB)",
            "UPDATE approvals SET seal=upper(seal), body=CAST(replace(body,'pending','granted') AS BLOB)",
            "UPDATE approvals SET seal=''",
            "UPDATE approvals SET seal=x'00'",
            "UPDATE approvals SET seal=1",
            "UPDATE approvals SET seal='é'",
            "UPDATE approvals SET body=x''",
            "UPDATE approvals SET body=x'ff'",
            "UPDATE approvals SET body=7",
            "UPDATE approvals SET body=''",
            "UPDATE approvals SET state='granted'",
        ],
    )
    def test_a_row_edited_to_granted_is_an_error_and_nothing_runs(self, world, statement):
        """Every way of editing the row is noticed by whoever reads it, as an error of our tree."""
        proposal = pay(world)
        binding = world.ask(proposal)
        self.execute(statement)
        with pytest.raises(LedgerError, match="seal"):
            world.decide(proposal)
        with pytest.raises(LedgerError, match="seal"):
            world.governor.approvals.find(binding.approval_key())
        with pytest.raises(LedgerError, match="seal"):
            world.governor.approvals.answer(binding, Approve(), ALICE)
        assert list(world.ledger.scan(Table.EFFECTS)) == []
        assert "permit_issued" not in world.kinds()

    def test_a_yes_moved_from_another_call_is_an_error(self, world):
        """A genuine, granted row under the key of another request does not open."""
        small, large = pay(world), world.propose("pay", call_id="call-2", turn="turn-2", amount=999)
        world.governor.approvals.answer(world.ask(small), Approve(), ALICE)
        key = world.ask(large).approval_key()
        self.execute("DELETE FROM approvals WHERE key=?", key)
        self.execute("UPDATE approvals SET key=?", key)
        with pytest.raises(LedgerError, match="seal"):
            world.decide(large)

    def test_a_rejection_moved_into_the_place_of_a_request_is_an_error(self, world):
        """Nor does any other row of the same table."""
        proposal = pay(world)
        binding = world.ask(proposal)
        world.governor.approvals.answer(binding, Reject(), ALICE)
        key = binding.approval_key()
        self.execute("DELETE FROM approvals WHERE key=?", key)
        self.execute("UPDATE approvals SET key=?", key)
        with pytest.raises(LedgerError, match="seal"):
            world.decide(proposal)

    def test_a_row_sealed_under_another_key_is_an_error(self, world, tmp_path):
        """A yes that another installation granted is none here."""
        proposal = pay(world)
        binding = world.ask(proposal)
        other = World(sink=world.sink)
        other.sealer = Sealer(bytes(32))
        other.governor = other.new_governor()
        other.governor.approvals.request(binding)
        other.governor.approvals.answer(binding, Approve(), MALLORY)
        theirs = other.ledger.get(Table.APPROVALS, binding.approval_key())
        self.execute("UPDATE approvals SET state=?, body=?, seal=?", theirs.state, theirs.body, theirs.seal)
        with pytest.raises(LedgerError, match="seal"):
            world.decide(proposal)
