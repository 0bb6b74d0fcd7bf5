"""Who may answer, how many must, and what happens while they do not: by rule, by attack, and at every boundary."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import CLERK, LAW, edited
from vote_kit import ANN, BOB, CAROL, CISO, DAVE, EVE, POLICY, ask, person, voting_world

from aisecops_langchain.domain.approval import ApprovalRequirement, Vote
from aisecops_langchain.domain.permit import ApprovalState
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve, Edit, Elsewhere, Reject, Respond
from aisecops_langchain.runtime.approvals.votes import missing
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Table

PENDING, GRANTED = ApprovalState.PENDING, ApprovalState.GRANTED


@pytest.fixture
def world():
    return voting_world()


def take(world, binding, who, answer=None, **kw):
    return world.governor.approvals.take(binding, answer or Approve(), who, **kw)


# --- how many -------------------------------------------------------------------------------------


def test_two_persons_make_a_permit_and_one_does_not(world):
    """The first yes keeps the request open and is in the log; the second one makes the permit, once."""
    proposal, binding = ask(world)
    assert (take(world, binding, BOB).record.state, world.only("approval_voted").missing) == (PENDING, 1)
    assert isinstance(world.decide(proposal), NeedsApproval)
    world.clock.advance(7)
    assert take(world, binding, CAROL).record.state is GRANTED
    assert isinstance(world.decide(proposal), Permitted)
    granted = world.only("approval_granted")
    assert [who.id for who in granted.voted] == ["bob", "carol"]
    assert (granted.waited_seconds, world.only("approval_voted").waited_seconds) == (7.0, 0.0)
    assert world.only("approval_requested").requires[0].approvers == 2
    assert world.kinds().count("run_resumed") == 1


@pytest.mark.parametrize("name", ["bob", "BOB", "Bob ", "b\u200bob", "\uff42ob", "bo\u00adb", "bob\ufe0f", "\u3164bob"])
@pytest.mark.parametrize("issuer", ["https://login", "https://other"])
def test_one_person_in_two_spellings_is_one_person(world, name, issuer):
    """Case, width, invisible characters and a second provider do not make a second person."""
    _, binding = ask(world)
    take(world, binding, BOB)
    taken = take(world, binding, person(name, "treasurer", issuer=issuer))
    assert (taken.record.state, taken.refused, len(taken.record.votes)) == (PENDING, "already_voted", 1)


def test_every_matching_rule_must_be_met(world):
    """Two treasurers are not enough for a large amount: the other rule wants the CFO."""
    proposal, binding = ask(world, amount=500)
    take(world, binding, BOB)
    assert take(world, binding, CAROL).record.state is PENDING
    assert isinstance(world.decide(proposal), NeedsApproval)
    assert take(world, binding, DAVE).record.state is GRANTED
    assert isinstance(world.decide(proposal), Permitted)


def test_one_no_is_a_no_even_of_somebody_who_said_yes(world):
    proposal, binding = ask(world)
    take(world, binding, BOB)
    assert take(world, binding, BOB, Reject("second thoughts")).record.state is ApprovalState.REJECTED
    assert take(world, binding, CAROL).refused == "closed"
    assert world.decide(proposal).code == "rejected"


def test_an_edit_cannot_collect_votes_that_were_given_to_another_call(world):
    proposal, binding = ask(world)
    change = Edit(edited(proposal, amount=6).step.call)
    assert take(world, binding, BOB, change).refused == "edit_needs_one"
    take(world, binding, BOB)
    assert take(world, binding, CAROL, change).refused == "edit_needs_one"
    assert take(world, binding, CAROL).record.edited_call is None


def test_an_edit_that_needs_more_approvers_than_the_call_it_replaces_is_denied():
    """One yes was enough for 5; the edited amount takes two, and policy decides on the edit anew."""
    policy = POLICY.replace("tools: [pay]\n", "tools: [pay]\n    when: {args.amount: {gt: 100}}\n")
    policy = policy.replace(
        "id: plain, effect: require_approval, tools: [look]", "id: plain, effect: require_approval, tools: [look, pay]"
    )
    world = voting_world(policy)
    proposal, binding = ask(world)
    change = edited(proposal, amount=500)
    assert take(world, binding, DAVE, Edit(change.step.call)).record.state is GRANTED
    assert world.decide(change).code == "approval_insufficient"
    assert "permit_issued" not in world.kinds()


@LAW
@given(
    needed=st.integers(1, 4),
    names=st.lists(st.sampled_from(["bob", "BOB", "carol", "dave", "ann", "eve", "mallory"]), max_size=8),
)
def test_votes_count_persons_who_may_and_nobody_twice(needed, names):
    """However often and in whatever order people say yes, only distinct ones with the role who are not Ann count."""
    requirement = ApprovalRequirement(rule="r", approvers=needed, roles=("payer",))
    votes = [Vote(approver=person(name, *([] if name == "mallory" else ["payer"])), call="c", at=1) for name in names]
    counted = {name.casefold() for name in names} - {"ann", "mallory"}
    for order in itertools.islice(itertools.permutations(votes), 6):
        assert missing([requirement], order, ANN, 0) == max(0, needed - len(counted))


# --- who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (person("ann", "treasurer"), "requester"),
        (person("ANN", "treasurer", issuer="https://other"), "requester"),
        (EVE, "role_missing"),
        (person("bob"), "role_missing"),
        (person("bob", "treasurer", verified=False), "not_verified"),
        (person("bob", "treasurer", tenant="evil"), "other_tenant"),
        (person("bob", "treasurer", tenant=""), "other_tenant"),
        (person("\u200b", "treasurer"), "nameless"),
        (CISO, "role_missing"),
        (None, "unidentified"),
    ],
)
@pytest.mark.parametrize("answer", [Approve(), Reject("no"), Respond("sha256:x"), Elsewhere()])
def test_an_answer_of_somebody_who_may_not_give_it_is_recorded_and_changes_nothing(world, who, code, answer):
    """A stranger can neither approve nor destroy the request; those who may still can."""
    _, binding = ask(world)
    taken = take(world, binding, who, answer)
    assert (taken.record.state, taken.refused, taken.record.votes) == (PENDING, code, ())
    assert world.only("approval_answer_refused").code == code
    take(world, binding, BOB)
    assert take(world, binding, CAROL).record.state is GRANTED


@pytest.mark.parametrize("tool", ["look", "sync"])
def test_the_requester_may_approve_only_where_the_rule_says_so(world, tool):
    proposal, binding = ask(world, tool, x=1)
    taken = take(world, binding, person("ann"))
    assert taken.refused == (None if tool == "sync" else "requester")
    assert isinstance(world.decide(proposal), Permitted if tool == "sync" else NeedsApproval)


@pytest.mark.parametrize("tool", ["look", "sync", "pay"])
def test_where_the_requester_is_verified_a_bare_name_approves_nothing(world, tool):
    _, binding = ask(world, tool, amount=1)
    assert take(world, binding, Approver(id="bob", roles=("treasurer",), tenant="acme")).refused == "not_verified"


def test_where_nobody_is_verified_a_bare_name_counts_only_for_the_default():
    """A deployment without any identity provider can ask one person, and nothing more."""
    world = voting_world(principal=CLERK)
    _, plain = ask(world, "look", x=1)
    assert take(world, plain, Approver(id="bob")).record.state is GRANTED
    _, two = ask(world)
    assert take(world, two, Approver(id="bob", roles=("treasurer",))).refused == "not_verified"
    assert take(world, two, person("bob", "treasurer", tenant="evil")).refused == "other_tenant"
    assert take(world, two, person("bob", "treasurer", tenant="")).record.state is PENDING


def test_an_answer_that_names_another_call_is_none(world):
    _, binding = ask(world)
    assert take(world, binding, BOB, Elsewhere()).refused == "another_call"
    other = binding.model_copy(update={"call": "sha256:other"})
    with pytest.raises(LedgerError, match="nobody was asked"):
        take(world, other, BOB)


def test_the_requester_cannot_approve_by_resuming_as_somebody_else(world):
    """Ann's question, resumed in Bob's name with Ann as approver: she is judged as what she is, the requester."""
    _, binding = ask(world, "look", x=1)
    as_bob = binding.model_copy(
        update={"scope": binding.scope.model_copy(update={"principal": ANN.model_copy(update={"user": "bob"})})}
    )
    assert take(world, as_bob, person("ann")).refused == "another_requester"
    assert take(world, as_bob, person("dave")).refused == "another_requester"
    assert take(world, as_bob, person("bob"), Respond("sha256:x")).refused == "only_yes_or_no"
    assert take(world, as_bob, person("bob")).record.state is GRANTED


# --- when -----------------------------------------------------------------------------------------


def test_escalation_lets_others_in_and_is_recorded_once(world):
    _, binding = ask(world)
    assert take(world, binding, CISO).refused == "role_missing"
    world.clock.advance(299)
    assert take(world, binding, CISO).refused == "role_missing"
    world.clock.advance(1)
    for _ in range(3):
        world.governor.approvals.look(binding.approval_key())
    escalated = world.only("approval_escalated")
    assert (escalated.rule, escalated.after_seconds, escalated.roles) == ("two", 300, ("cfo", "ciso", "treasurer"))
    assert take(world, binding, CISO).record.state is PENDING
    assert take(world, binding, BOB).record.state is GRANTED


def test_an_escalation_that_moves_keeps_votes_that_were_given_in_time():
    world = voting_world(POLICY.replace("roles: [ciso]}", "roles: [ciso], only: true}"))
    proposal, binding = ask(world)
    take(world, binding, BOB)
    world.clock.advance(300)
    assert take(world, binding, CAROL).refused == "role_missing"
    assert take(world, binding, CISO).record.state is GRANTED
    assert isinstance(world.decide(proposal), Permitted)


def test_a_request_that_expires_between_two_votes_is_denied(world):
    """The shortest time of all rules counts, not the limits' one."""
    proposal, binding = ask(world)
    take(world, binding, BOB)
    world.clock.advance(600)
    assert take(world, binding, CAROL).record.state is ApprovalState.EXPIRED
    assert world.only("approval_expired").votes == 1
    assert world.decide(proposal).code == "approval_expired"


def test_expiry_is_noticed_by_looking_listing_and_deciding(world):
    proposal, binding = ask(world)
    world.clock.advance(600)
    (listed,) = world.governor.approvals.requests()
    assert (listed.state, listed.briefing.arguments) == (ApprovalState.EXPIRED, None)
    assert world.decide(proposal).code == "approval_expired"
    assert world.kinds().count("approval_expired") == 1
    assert take(world, binding, BOB).refused == "closed"


def test_a_policy_reloaded_between_two_votes_voids_both(world):
    """What was voted on under one policy makes no permit under another, laxer or stricter."""
    proposal, binding = ask(world)
    take(world, binding, BOB)
    world.governor.reload(parse_policy(POLICY.replace("approvers: 2", "approvers: 1")))
    scope = world.scope.model_copy(update={"policy": world.governor.policy.digest})
    now = binding.model_copy(update={"scope": scope})
    assert take(world, now, CAROL).record.state is ApprovalState.VOID
    assert world.governor.gate.decide(proposal, scope).message.endswith("void: the policy changed meanwhile.")
    assert "permit_issued" not in world.kinds()


def test_votes_given_at_the_desk_after_a_reload_make_no_permit(world):
    proposal, binding = ask(world)
    world.governor.reload(parse_policy(POLICY.replace("id: votes", "id: votes2")))
    for who in (BOB, CAROL):  # at a desk, which knows no policy, the request still stands as it was asked
        take(world, binding, who, resumes=False)
    scope = world.scope.model_copy(update={"policy": world.governor.policy.digest})
    assert world.governor.gate.decide(proposal, scope).code == "approval_void"


def test_a_vote_handed_in_again_counts_once_whoever_hands_it_in(world):
    """A node that is executed again replays the answer, perhaps in the name of the next person who resumes."""
    _, binding = ask(world)
    assert take(world, binding, BOB, heard="task:0").refused is None
    for who in (BOB, CAROL):
        again = take(world, binding, who, heard="task:0")
        assert (again.refused, len(again.record.votes)) == ("heard_before", 1)
    assert world.governor.approvals.was_heard(binding, "task:0")
    assert not world.governor.approvals.was_heard(binding, "task:1")
    assert take(world, binding, CAROL, heard="task:1").record.state is GRANTED


def test_a_refused_answer_handed_in_again_by_somebody_who_may_is_not_taken(world):
    _, binding = ask(world)
    assert take(world, binding, EVE, heard="task:0").refused == "role_missing"
    assert take(world, binding, BOB, heard="task:0").refused == "heard_before"


# --- at rest, and at once -------------------------------------------------------------------------


@pytest.mark.parametrize("on_disk", [False, True])
def test_racing_votes_are_all_kept_and_the_last_needed_one_grants(tmp_path, on_disk):
    """Eight people at once, two needed: exactly two votes count, nobody's is lost to a race before that."""
    with closing(SqliteLedger(tmp_path / "l.sqlite3")) as disk:
        world = voting_world(**({"ledger": disk} if on_disk else {}))
        proposal, binding = ask(world)
        people = [person(f"p{number}", "treasurer") for number in range(8)]
        start = threading.Barrier(len(people))
        taken = []

        def vote(who):
            start.wait()
            taken.append(take(world, binding, who))

        threads = [threading.Thread(target=vote, args=(who,)) for who in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = world.governor.approvals.find(binding.approval_key())
        assert sorted(item.refused or "" for item in taken) == ["", "", *["closed"] * 6]
        assert (kept.state, len(kept.votes)) == (GRANTED, 2)
        assert isinstance(world.decide(proposal), Permitted)
        assert world.kinds().count("approval_granted") == world.kinds().count("approval_voted") == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.requires", "[]"),
        ("$.requires[0].approvers", "1"),
        ("$.requires[0].roles", "[]"),
        ("$.requires[0].requester_may_approve", "true"),
        ("$.votes[1]", '{"approver": {"id": "carol", "verified": true}, "call": "x", "at": 1}'),
        ("$.votes[0].approver.id", '"carol"'),
        ("$.expires_at", "9000000000000000000"),
        ("$.briefing.risk", '"low"'),
        ("$.state", '"granted"'),
    ],
)
def test_a_record_edited_at_rest_does_not_open(tmp_path, path, value):
    """A requirement taken away, a vote added, a vote in another's name: the row is an error, and nothing runs."""
    with closing(SqliteLedger(tmp_path / "l.sqlite3")) as ledger:
        world = voting_world(ledger=ledger)
        proposal, binding = ask(world)
        take(world, binding, BOB)
        with closing(sqlite3.connect(tmp_path / "l.sqlite3")) as attacker:
            sql = "UPDATE approvals SET body=CAST(json_set(CAST(body AS TEXT), ?, json(?)) AS BLOB) WHERE key=?"
            assert attacker.execute(sql, (path, value, binding.approval_key())).rowcount == 1
            attacker.commit()
        for use in (lambda: take(world, binding, CAROL), lambda: world.decide(proposal)):
            with pytest.raises(LedgerError, match="seal"):
                use()
        with pytest.raises(LedgerError, match="seal"):
            list(world.governor.approvals.requests())
        assert list(ledger.scan(Table.EFFECTS)) == []


def test_a_request_dressed_up_as_a_mark_is_not_hidden_from_the_list(tmp_path):
    with closing(SqliteLedger(tmp_path / "l.sqlite3")) as ledger:
        world = voting_world(ledger=ledger)
        ask(world)
        with closing(sqlite3.connect(tmp_path / "l.sqlite3")) as attacker:
            attacker.execute("UPDATE approvals SET state='heard'")
            attacker.commit()
        with pytest.raises(LedgerError):
            list(world.governor.approvals.requests())


def test_the_arguments_are_kept_only_while_somebody_has_to_read_them(world):
    _, binding = ask(world, amount=5, iban="DE89370400440532013000")
    assert world.governor.approvals.find(binding.approval_key()).briefing.arguments == {
        "amount": 5,
        "iban": "DE89370400440532013000",
    }
    take(world, binding, BOB)
    take(world, binding, CAROL)
    rows = [row.body for row in world.ledger.scan(Table.APPROVALS)]
    assert not any(b"DE8937" in body for body in rows)
