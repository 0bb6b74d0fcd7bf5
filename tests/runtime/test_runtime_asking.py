"""A question is what the ledger keeps of it: kept first, recorded next, and open to answers only then."""

from __future__ import annotations

from contextlib import suppress

import pytest
from runtime_kit import ALICE, FailingSink, World

from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.errors import AuditWriteError
from aisecops_langchain.forensics import problems_of, traces_of
from aisecops_langchain.runtime.approvals.service import Approve, Reject
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.runtime.recorder import at
from aisecops_langchain.testing import FixedClock, MemoryLedger


class Raced(MemoryLedger):
    """A ledger in which somebody acts once between the look for a question and the write of it."""

    meanwhile = None

    def apply(self, changes, **how):
        act = self.meanwhile if changes[0].row.table is Table.APPROVALS else None
        if act is not None:
            self.meanwhile = None
            act()
        return super().apply(changes, **how)


def asked_of(world: World):
    """A verdict that wants a person, not asked yet."""
    verdict = world.decide(world.propose("pay", amount=5))
    assert isinstance(verdict, NeedsApproval)
    return verdict


@pytest.mark.parametrize("winner", ["records it", "is slow to record it"])
def test_two_hosts_that_ask_at_the_same_moment_record_one_question(winner):
    """Each took its own clock for the expiry, and the logs contradicted each other."""
    ledger = Raced()
    one, two = World(ledger=ledger), World(ledger=ledger, sink=FailingSink(), clock=FixedClock())
    two.clock.advance(3)
    first, second = asked_of(one), asked_of(two)
    assert first.binding == second.binding

    def ask_on_two():
        if winner == "is slow to record it":
            two.sink.faults.at = two.sink.faults.count + 1
        with suppress(AuditWriteError):
            two.governor.approvals.request(second.binding, second.briefing, second.requires)

    ledger.meanwhile = ask_on_two
    kept = one.governor.approvals.request(first.binding, first.briefing, first.requires)
    two.governor.approvals._log.asked(kept)  # as a slow winner does in the end, whoever was faster with the mark
    assert kept.requested_at == two.clock.now()
    told = [event for world in (one, two) for event in world.sink.events if event.kind == "approval_requested"]
    assert {event.expires_at for event in told} == {at(kept.expires_at)}
    (story,) = traces_of([*one.sink.events, *two.sink.events])
    assert story.conflicting == ()
    assert not [problem for problem in problems_of(story) if "conflict" in problem.code.value]


def died_before_it_was_recorded(world: World):
    """A question in the ledger that the log knows nothing of."""
    verdict = asked_of(world)
    world.sink.faults.at = world.sink.faults.count + 1
    with pytest.raises(AuditWriteError):
        world.governor.approvals.request(verdict.binding, verdict.briefing, verdict.requires, parents=(verdict.event,))
    assert "approval_requested" not in world.kinds()
    assert world.governor.approvals.find(verdict.binding.approval_key()).recorded is False
    world.governor = world.new_governor()
    return verdict


def test_a_question_that_was_not_recorded_is_recorded_by_whoever_meets_it():
    world = World(sink=FailingSink())
    verdict = died_before_it_was_recorded(world)
    assert isinstance(world.decide(world.propose("pay", amount=5)), NeedsApproval)
    assert world.only("approval_requested").parents == (verdict.event,)
    assert world.governor.approvals.find(verdict.binding.approval_key()).recorded


@pytest.mark.parametrize("answer", [Approve(), Reject()])
def test_no_answer_counts_before_its_question_is_on_record(answer):
    world = World(sink=FailingSink())
    verdict = died_before_it_was_recorded(world)
    record = world.governor.approvals.answer(verdict.binding, answer, ALICE)
    kinds = world.kinds()
    settled = f"approval_{record.state.value}"
    assert kinds.index("approval_requested") < kinds.index(settled)
    assert isinstance(world.decide(world.propose("pay", amount=5)), Permitted) is isinstance(answer, Approve)


@pytest.mark.parametrize("answer", [Approve(), Reject()])
def test_while_the_log_cannot_be_written_no_answer_is_taken(answer):
    world = World(sink=FailingSink())
    verdict = died_before_it_was_recorded(world)
    world.sink.faults.at = world.sink.faults.count + 1
    with pytest.raises(AuditWriteError):
        world.governor.approvals.answer(verdict.binding, answer, ALICE)
    assert world.governor.approvals.find(verdict.binding.approval_key()).state is ApprovalState.PENDING


def test_a_question_that_expired_unrecorded_is_recorded_with_its_end():
    world = World(sink=FailingSink())
    verdict = died_before_it_was_recorded(world)
    world.clock.advance(10_000)
    world.governor.approvals.look(verdict.binding.approval_key())
    assert world.kinds()[-3:] == ["approval_requested", "run_paused", "approval_expired"]
