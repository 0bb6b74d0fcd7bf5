"""Standing grants by attack: what a person granted runs, in that place, within those bounds, and nothing else does."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from grant_kit import BUNDLE, CALL, DROP, PLAIN, POLICY, WISH, GrantWorld
from runtime_kit import ALICE, FailingSink, FixedClock, edited

from aisecops_langchain.domain.grant import GrantRequest, GrantState, grant_place
from aisecops_langchain.domain.permit import ApprovalState, EffectState
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Approver, Delegator
from aisecops_langchain.errors import AuditWriteError, GrantError, LedgerError, PermitError
from aisecops_langchain.forensics import summarize, traces_of
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve, Reject
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.grants.bounds import read_wish
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Change, Charge, Table

HOUR = 3600


@pytest.fixture
def world():
    return GrantWorld()


def test_a_granted_call_runs_without_a_person_and_the_log_accounts_for_it(world):
    """Approval, grant, use and permit stand in the record, and nothing is missing from it."""
    first = world.step(**CALL)
    granted = world.answer(first, WISH).grant
    world.governor.execution.complete(world.begin(first), result="sha256:r", label=first.context)
    again = world.step(**{**CALL, "amount": 12.5, "note": "food"})
    running = world.begin(again)
    world.governor.execution.complete(running, result="sha256:r", label=again.context)
    assert running.record.grant == granted.id
    given, used = world.only("grant_given"), world.only("grant_used")
    assert (given.grant, given.approver, given.fixed, given.up_to) == (
        granted.id,
        ALICE,
        {"to": "alice"},
        {"amount": "500"},
    )
    assert (used.grant, used.permit, used.approver, used.amounts) == (
        granted.id,
        running.permit.id,
        ALICE,
        {"amount": "12.5"},
    )
    permit = next(event for event in world.sink.events if event.kind == "permit_issued" and event.grant)
    assert (permit.permit, permit.approval, permit.parents) == (running.permit.id, None, (used.id,))
    (trace,) = traces_of(world.sink.events)
    summary = summarize(trace)
    assert {problem.code for problem in summary.problems} == {"no_run_start", "decision_without_plan"}  # of this kit
    assert [(seen.grant, seen.given, seen.used) for seen in summary.grants] == [(granted.id, True, 1)]


def test_a_permit_on_a_grant_that_was_never_counted_is_a_violation(world):
    """A permit that only claims to rest on a grant is not accounted for."""
    world.give()
    assert world.runs()
    forged = [event for event in world.sink.events if event.kind != "grant_used"]
    (trace,) = traces_of(forged)
    assert "permit_without_approval" in {problem.code for problem in summarize(trace).problems}


@pytest.mark.parametrize(
    "changed",
    [
        {"to": "mallory"},
        {"to": "Alice"},
        {"to": "alice "},
        {"to": "alic\u0435"},
        {"to": ["alice"]},
        {"to": {"name": "alice"}},
        {"to": None},
        {"to": DROP},
        {"amount": DROP},
        {"note": DROP},
        {"extra": 1},
        {"amount": "5"},
        {"amount": -1},
        {"amount": -0.000001},
        {"amount": True},
        {"amount": None},
        {"amount": [5]},
        {"amount": 500.000001},
        {"amount": 501},
    ],
)
def test_a_call_that_is_not_as_granted_asks_a_person(changed):
    """Nothing is coerced, folded, left out or added on the way."""
    world = GrantWorld(policy=PLAIN)
    world.give()
    assert isinstance(world.use(**changed), NeedsApproval)
    assert world.runs()


@pytest.mark.parametrize("amount", [2**53, 2**64 - 1, 1e300, 1_000_000_000])
def test_a_huge_amount_is_never_covered(amount):
    """What is too large to be counted is a question, whatever the sum."""
    world = GrantWorld()
    world.give(up_to={"amount": "999999999.999999"})
    assert isinstance(world.use(amount=amount), NeedsApproval)


@pytest.mark.parametrize("spelt", ["caf\u00e9", "cafe\u0301"])
def test_a_name_that_only_looks_the_same_is_another_one(world, spelt):
    """Composed and decomposed letters are different values."""
    world.give({**CALL, "to": "caf\u00e9"})
    assert world.runs(to=spelt) is (spelt == "caf\u00e9")


@pytest.mark.parametrize(
    ("approved", "proposed", "fits"), [(1, 1, True), (1, 1.0, False), (1, True, False), (0, False, False)]
)
def test_a_fixed_value_keeps_its_kind(world, approved, proposed, fits):
    """Values that Python calls equal are not the same JSON."""
    world.give({**CALL, "to": approved})
    assert world.runs(to=proposed) is fits


@pytest.mark.parametrize(
    "changed",
    [
        {"thread": "thread-2"},
        {"tenant": "other"},
        {"user": "eve"},
        {"issuer": "https://evil.example"},
        {"agent": "helper"},
    ],
)
def test_a_grant_is_good_in_its_place_alone(world, changed):
    """Another thread, tenant, user, issuer or agent finds no grant."""
    world.give()
    assert isinstance(world.use(scope=world.elsewhere(**changed)), NeedsApproval)


def test_a_subagent_does_not_use_the_grant_of_its_parent(world):
    """Whoever acts in somebody's place stands in another place; the same chain of agents is the same one."""
    world.give()
    chain = (Delegator(agent="boss", warrant="sha256:w"),)
    step = world.step(**CALL)
    find, call = world.governor.grants.find, step.step.call
    decision = world.governor.policy.decide(world.governor.gate.request_for(step, world.scope))
    assert find(world.binding(step), call, decision, None) is not None
    assert find(world.binding(step, world.elsewhere(delegators=chain)), call, decision, None) is None


def test_a_grant_for_any_thread_reaches_other_threads_and_nothing_else(world):
    world.give(any_thread=True)
    other = {"thread": "thread-2", "trace": "cd" * 16}
    assert isinstance(world.use(scope=world.elsewhere(**other)), Permitted)
    assert isinstance(world.use(scope=world.elsewhere(**other, user="eve")), NeedsApproval)
    assert isinstance(world.use(scope=world.elsewhere(**other, tenant="other")), NeedsApproval)


def test_a_changed_tool_definition_is_not_covered(world):
    world.give()
    assert isinstance(world.use(version="2"), NeedsApproval)


def test_a_reloaded_policy_ends_every_grant(world):
    """Even one that differs in a limit alone; and the grant is good again only where the very same policy is."""
    world.give()
    world.governor.reload(
        parse_policy(POLICY.bundle_json().decode().replace('"permit_ttl_seconds":60', '"permit_ttl_seconds":61'))
    )
    scope = world.scope.model_copy(update={"policy": world.governor.policy.digest})
    assert isinstance(world.use(scope=scope), NeedsApproval)


def test_deny_stays_deny(world):
    """A deny rule is not for a person to lift, today or standing."""
    world.give()
    assert isinstance(world.use(note="never"), Denied)


def test_a_second_rule_that_permits_no_grants_asks(world):
    """The terms of the call at hand count: another rule may want a person for it."""
    world.give()
    assert isinstance(world.use(note="odd"), NeedsApproval)
    assert world.runs(note="even")


def test_a_second_rule_with_tighter_terms_asks_where_the_grant_goes_beyond_them(world):
    """The same grant, for an amount about which another rule lets nobody grant more than a minute."""
    world.give()
    assert isinstance(world.use(amount=77), NeedsApproval)
    assert world.runs(amount=78)


def test_where_more_than_one_must_say_yes_nobody_grants():
    """Neither the first of two nor the last, who alone would be heard."""
    text = BUNDLE.replace(
        "    grants: {max_seconds: 3600", "    approval: {approvers: 2}\n    grants: {max_seconds: 3600"
    )
    world = GrantWorld(policy=parse_policy(text))
    step = world.step(**CALL)
    assert world.answer(step, WISH).votes == ()
    binding = world.binding(step)
    world.governor.approvals.answer(binding, Approve(), Approver(id="bob", verified=True))
    record = world.answer(step, WISH)
    assert (record.state, record.grant) == (ApprovalState.PENDING, None)
    assert {event.code for event in world.sink.events if event.kind == "approval_answer_refused"} == {"grant_needs_one"}


@pytest.mark.parametrize(("roles", "covered"), [((), False), (("ciso",), True)])
def test_a_grant_answers_only_rules_that_its_giver_might_have_answered(roles, covered):
    """Another rule that wants a role for the call at hand is not met by a grant of somebody without it."""
    text = BUNDLE.replace("max_seconds: 60, max_uses: 20", "max_seconds: 3600, max_uses: 20").replace(
        "args.amount: {eq: 77}}", "args.amount: {eq: 77}}\n    approval: {roles: [ciso]}"
    )
    world = GrantWorld(policy=parse_policy(text))
    record = world.answer(world.step(**CALL), {**WISH}, Approver(id="alice", verified=True, roles=roles))
    assert record.grant is not None
    assert world.runs()
    assert world.runs(amount=77) is covered


def test_the_requester_gives_himself_no_grant(world):
    record = world.answer(world.step(**CALL), WISH, Approver(id="ann", verified=True))
    assert (record.state, record.grant) == (ApprovalState.PENDING, None)


def test_a_delegator_who_would_have_to_ask_each_time_makes_the_delegate_ask(world):
    """The terms of everybody in the chain count; the chain itself may hold a grant of its own."""
    warrant = world.governor.delegate(world.scope, agent="helper", tools=["pay"], depth=1)
    principal = world.governor.delegations.present(warrant)
    world.scope = world.scope.model_copy(update={"principal": principal})
    world.give()
    assert world.runs()
    assert isinstance(world.use(note="boss"), NeedsApproval)


def test_a_call_that_a_person_rejected_stays_rejected(world):
    """A no in this run is stronger than a standing yes."""
    first = world.step(**{**CALL, "amount": 7})
    world.governor.approvals.answer(world.ask(first), Reject(), ALICE)
    world.give()
    verdict = world.use(amount=7)
    assert isinstance(verdict, Denied)
    assert verdict.code == "rejected"
    assert world.runs(amount=8)


def test_a_call_that_is_being_asked_about_waits_for_its_answer(world):
    """A grant that comes meanwhile does not overtake the person."""
    pending = world.step(**CALL)
    world.ask(pending)
    world.give({**CALL, "note": "other"})
    assert isinstance(world.decide(pending), NeedsApproval)


def test_uses_and_sums_are_counted_exactly(world):
    """Tenths of a unit add up to the sum, and one millionth more asks."""
    world.give(up_to={"amount": "0.3"}, uses=20)
    assert [world.runs(amount=0.1) for _ in range(4)] == [True, True, True, False]
    world.give(up_to={"amount": "10"}, uses=2)
    assert [world.runs(amount=0) for _ in range(3)] == [True, True, False]


def test_a_use_may_be_bounded_by_itself(world):
    world.give(up_to={"amount": "100"}, each={"amount": "40"})
    assert [world.runs(amount=amount) for amount in (40, 40.5, 40, 21, 20)] == [True, False, True, False, True]


def test_deciding_again_charges_once_and_gives_the_same_permit(world):
    """Also for the last use, after which the grant is over for everybody else."""
    grant = world.give(uses=1)
    step = world.step(**CALL)
    first = world.decide(step)
    assert world.decide(step) == first
    assert isinstance(world.use(), NeedsApproval)
    assert world.decide(step) == first
    assert world.governor.grants.get(grant.id).used == 1
    assert [event.why for event in world.sink.events if event.kind == "grant_ended"] == ["exhausted"]
    world.begin(step, first.permit.id)


def test_the_permit_is_single_use_and_expires_with_the_grant(world):
    grant = world.give(for_seconds=90)
    step = world.step(**CALL)
    world.begin(step)
    assert world.decide(step).code == "already_running"
    world.clock.advance(70)
    late = world.decide(world.step(**CALL))
    assert isinstance(late, Permitted)
    assert late.permit.expires_at == grant.expires_at


def test_nobody_is_asked_about_a_call_that_ran_on_a_grant(world):
    """Decided on once more, as after a resume at an old checkpoint, it is refused, though the grant is used up."""
    world.give(uses=1)
    step = world.step(**CALL)
    running = world.begin(step)
    assert world.decide(step).code == "already_running"
    world.governor.execution.complete(running, result="sha256:r", label=step.context)
    assert isinstance(world.use(), NeedsApproval)
    assert world.decide(step).code == "already_used"
    world.clock.advance(HOUR)
    assert world.decide(step).code == "already_used"


def test_a_permit_that_expired_unused_is_replaced_at_no_charge(world):
    grant = world.give()
    step = world.step(**CALL)
    first = world.decide(step)
    world.clock.advance(61)
    again = world.decide(step)
    assert isinstance(again, Permitted)
    assert again != first
    assert world.governor.grants.get(grant.id).used == 1


def test_what_never_began_is_given_back():
    """If the intent cannot be recorded, the use and its share of the sum come back."""
    sink = FailingSink()
    world = GrantWorld(sink=sink)
    grant = world.give()
    step = world.step(**CALL)
    permit = world.decide(step).permit
    sink.faults.at = sink.faults.count + 1
    with pytest.raises(AuditWriteError):
        world.begin(step, permit.id)
    standing = world.governor.grants.get(grant.id)
    assert (standing.used, standing.spent) == (0, {"amount": 0})
    assert world.effect(step).state is EffectState.FAILED


def test_two_grants_do_not_add_up_for_one_call(world):
    """Each call lies within one grant; a second grant gives more calls, not larger ones, and asks its own person."""
    world.give(up_to={"amount": "60"})
    world.give(up_to={"amount": "60"})
    assert isinstance(world.use(amount=61), NeedsApproval)
    assert [world.runs(amount=50) for _ in range(3)] == [True, True, False]


def test_grants_of_one_place_are_bounded(world):
    for _ in range(32):
        world.give()
    with pytest.raises(GrantError, match="too many"):
        world.give()
    assert "approval_granted" not in world.kinds()[-3:]


class TestTime:
    """A grant has an end that no clock moves."""

    def test_from_its_end_on_it_is_void(self, world):
        world.give(for_seconds=HOUR)
        world.clock.advance(HOUR - 1)
        assert world.runs()
        world.clock.advance(1)
        assert isinstance(world.use(), NeedsApproval)
        assert world.only("grant_ended").why == "expired"

    def test_a_clock_put_back_does_not_revive_it_in_this_process(self, world):
        world.give(for_seconds=60)
        world.clock.advance(61)
        assert isinstance(world.use(), NeedsApproval)
        world.clock.advance(-30)
        assert isinstance(world.use(), NeedsApproval)

    def test_nor_does_it_where_the_time_was_only_seen_elsewhere(self, world):
        """A process knows how late it has been, also from calls that have nothing to do with the grant."""
        world.give(for_seconds=60)
        world.clock.advance(61)
        world.give({**CALL, "to": "bob"}, any_thread=True)
        assert world.runs(to="bob", scope=world.elsewhere(thread="thread-2"))
        world.clock.advance(-30)
        assert isinstance(world.use(), NeedsApproval)

    def test_nor_in_another_process_once_anybody_noticed(self, world):
        world.give(for_seconds=60)
        world.clock.advance(61)
        assert isinstance(world.use(), NeedsApproval)
        world.clock.advance(-30)
        world.governor = world.new_governor()
        assert isinstance(world.use(), NeedsApproval)

    def test_before_it_was_given_it_is_not_good(self, world):
        world.give()
        world.governor = world.new_governor(clock=FixedClock(world.clock.now() - 1))
        assert isinstance(world.use(), NeedsApproval)

    def test_a_permit_on_it_does_not_outlive_it(self, world):
        world.give(for_seconds=30)
        step = world.step(**CALL)
        permit = world.decide(step).permit
        world.clock.advance(30)
        with pytest.raises(PermitError) as refused:
            world.begin(step, permit.id)
        assert refused.value.code == "expired"


class TestRevoking:
    """What was taken back makes no permit, and what was permitted on it does not begin."""

    def test_nothing_more_is_permitted_and_it_is_on_record(self, world):
        grant = world.give()
        standing = world.governor.grants.revoke(grant.id, by="carol", reason="wrong payee")
        assert standing.state is GrantState.REVOKED
        assert isinstance(world.use(), NeedsApproval)
        revoked = world.only("grant_revoked")
        assert (revoked.grant, revoked.by, revoked.reason) == (grant.id, "carol", "wrong payee")

    def test_a_permit_that_has_not_begun_is_void(self, world):
        grant = world.give()
        step = world.step(**CALL)
        permit = world.decide(step).permit
        world.new_governor().grants.revoke(grant.id, by="carol")
        with pytest.raises(PermitError) as refused:
            world.begin(step, permit.id)
        assert refused.value.code == "grant_revoked"
        assert world.only("execution_blocked").code == "grant_revoked"
        assert world.effect(step).state is EffectState.RESERVED
        assert "execution_started" not in world.kinds()

    def test_a_revocation_between_the_check_and_the_start_is_seen_after_the_start(self, world):
        """The start is written, then revocations are looked for once more: the tool does not run."""
        grant = world.give()
        step = world.step(**CALL)
        permit = world.decide(step).permit
        ledger, other = world.ledger, world.new_governor()
        honest = ledger.apply

        def apply(changes, *, durable, charges=()):
            ledger.apply = honest
            other.grants.revoke(grant.id, by="carol")
            return honest(changes, durable=durable, charges=charges)

        ledger.apply = apply
        with pytest.raises(PermitError, match="revoked"):
            world.begin(step, permit.id)
        assert world.effect(step).state is EffectState.FAILED

    def test_a_person_may_still_approve_the_call_whose_permit_became_void(self, world):
        grant = world.give()
        step = world.step(**CALL)
        first = world.decide(step).permit
        world.governor.grants.revoke(grant.id, by="carol")
        world.governor.approvals.answer(world.ask(step), Approve(), ALICE)
        second = world.decide(step).permit
        assert second != first
        world.begin(step, second.id)

    def test_other_grants_stand(self, world):
        grant = world.give()
        world.give()
        world.governor.grants.revoke(grant.id, by="carol")
        assert world.runs()

    def test_it_stands_although_it_could_not_be_recorded(self):
        sink = FailingSink()
        world = GrantWorld(sink=sink)
        grant = world.give()
        sink.faults.at, sink.faults.lasting = sink.faults.count + 1, True
        with pytest.raises(AuditWriteError):
            world.governor.grants.revoke(grant.id, by="carol")
        sink.faults.at = 0
        assert world.governor.grants.get(grant.id).state is GrantState.REVOKED
        world.governor.grants.revoke(grant.id, by="mallory")
        assert world.only("grant_revoked").by == "carol"

    @pytest.mark.parametrize(("identity", "by", "code"), [("nope", "carol", "unknown"), (None, " ", "nobody")])
    def test_what_is_not_there_or_nobody_says_is_refused(self, world, identity, by, code):
        grant = world.give()
        with pytest.raises(GrantError) as refused:
            world.governor.grants.revoke(identity or grant.id, by=by)
        assert refused.value.code == code


class TestGiving:
    """An answer counts as a whole: the yes and what stands beside it, or nothing."""

    @pytest.mark.parametrize(
        "wish",
        [
            {"for_seconds": 3601},
            {"uses": 21},
            {"any": ["note", "to"], "same": []},
            {"any": ["amount"], "up_to": {}},
            {"same": ["to", "amount"]},
            {"same": ["to", "to"]},
            {"same": ["unknown"]},
            {"any": ["note", "unknown"]},
            {"up_to": {"to": "5"}, "same": []},
            {"up_to": {"unknown": "5"}},
            {"each": {"to": "5"}},
        ],
    )
    def test_a_grant_that_policy_or_the_call_does_not_bear_is_a_no(self, world, wish):
        step = world.step(**CALL)
        try:
            record = world.answer(step, {**WISH, **wish})
        except GrantError:
            return  # no grant at all: the adapter makes a no of it
        assert (record.state, record.grant) == (ApprovalState.PENDING, None)
        assert isinstance(world.decide(step), NeedsApproval)
        assert list(world.ledger.scan(Table.GRANTS)) == []

    @pytest.mark.parametrize(
        ("terms", "wish", "fits"),
        [
            ("", {"any_thread": True}, False),
            ("any_thread: true, ", {"any_thread": True}, True),
            ('up_to: {amount: "500"}, ', {}, True),
            ('up_to: {amount: "499.999999"}, ', {}, False),
            ('up_to: {other: "9999"}, ', {}, False),
        ],
    )
    def test_threads_and_sums_are_for_policy_to_permit(self, terms, wish, fits):
        text = BUNDLE.replace("any: [note], any_thread: true", f"{terms}any: [note]")
        record = GrantWorld(policy=parse_policy(text)).answer_to(CALL, {**WISH, **wish})
        assert (record.grant is not None) is fits

    def test_where_a_rule_permits_none_the_whole_answer_is_a_no(self, world):
        step = world.step("sync", to="alice")
        record = world.answer(step, {"for_seconds": 60, "uses": 1})
        assert record.state is ApprovalState.PENDING
        assert world.only("approval_answer_refused").code == "grant_not_permitted"
        assert "grant_given" not in world.kinds()

    def test_where_two_rules_ask_and_one_permits_none_it_is_a_no(self, world):
        record = world.answer(world.step(**{**CALL, "note": "odd"}), WISH)
        assert record.state is ApprovalState.PENDING

    def test_a_grant_that_carries_another_call_is_a_no(self, world):
        """The values that are kept are those of the approved call, not of one that is slipped in."""
        step = world.step(**CALL)
        other = CanonicalCall.of("pay", {**CALL, "to": "mallory"})
        lying = other.model_copy(update={"digest": step.step.call.digest})
        binding, wish = world.ask(step), read_wish(WISH)
        for call in (other, lying):
            answer = Approve(GrantRequest(wish=wish, call=call))
            assert world.governor.approvals.answer(binding, answer, ALICE).grant is None
        assert world.governor.grants.all() == ()

    def test_an_edited_call_gets_no_grant(self, world):
        """A person who changes a call approves that one call; a grant for it is not even spelt."""
        step = world.step(**CALL)
        changed = edited(step, **{**CALL, "to": "mallory"})
        request = GrantRequest(wish=read_wish(WISH), call=changed.step.call)
        record = world.governor.approvals.answer(world.ask(step), Approve(request), ALICE)
        assert (record.state, record.grant) == (ApprovalState.PENDING, None)

    @pytest.mark.parametrize(
        "wish",
        [
            [],
            "all",
            7,
            {},
            {"for_seconds": 60},
            {"uses": 1},
            {**WISH, "uses": "3"},
            {**WISH, "uses": True},
            {**WISH, "uses": 0},
            {**WISH, "uses": 1.5},
            {**WISH, "for_seconds": 86_401},
            {**WISH, "for_seconds": -1},
            {**WISH, "up_to": {"amount": 500}},
            {**WISH, "up_to": {"amount": "5e2"}},
            {**WISH, "up_to": {"amount": "NaN"}},
            {**WISH, "up_to": {"amount": "-1"}},
            {**WISH, "up_to": {"amount": "500\n"}},
            {**WISH, "up_to": {"amount": "\uff15\uff10\uff10"}},
            {**WISH, "up_to": {"amount": "1000000000"}},
            {**WISH, "up_to": {"amount": "0.0000001"}},
            {**WISH, "any": "note"},
            {**WISH, "forever": True},
            {**WISH, "reason": "x" * 501},
            {**WISH, "reason": float("nan")},
            {**WISH, "same": ["x" * 20_000]},
        ],
    )
    def test_what_is_no_wish_is_an_error_of_ours(self, wish):
        with pytest.raises(GrantError) as refused:
            read_wish(wish)
        assert refused.value.code == "malformed"

    def test_a_grant_that_was_kept_but_not_logged_is_logged_before_its_first_use(self, world):
        """If the process died between ledger and log, the grant is written before it counts."""
        kept = len(world.sink.events)
        world.give()
        lost = world.sink.events[kept:]
        world.sink._ids -= {event.id for event in lost if event.kind == "grant_given"}
        world.sink.events[:] = [event for event in world.sink.events if event.kind != "grant_given"]
        assert world.runs()
        kinds = world.kinds()
        assert kinds.index("grant_given") < kinds.index("grant_used")


class TestEditedAtRest:
    """Somebody with write access to the SQLite file, but without the key."""

    @pytest.fixture
    def world(self, tmp_path):
        self.path = tmp_path / "ledger.sqlite3"
        with closing(SqliteLedger(self.path)) as ledger:
            yield GrantWorld(ledger=ledger)

    def execute(self, statement, *values):
        with closing(sqlite3.connect(self.path)) as attacker:
            attacker.execute(statement, values)
            attacker.commit()

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE grants SET body=CAST(replace(body,'alice','mallory') AS BLOB)",
            "UPDATE grants SET body=CAST(replace(body,'500000000','900000000') AS BLOB)",
            "UPDATE grants SET body=CAST(replace(body,'revoked','live') AS BLOB)",
            "UPDATE grants SET state='live'",
            "UPDATE grants SET seal=''",
            "UPDATE grants SET body=x''",
        ],
    )
    def test_an_edited_row_is_an_error_and_nothing_is_permitted(self, world, statement):
        grant = world.give()
        if "revoked" in statement:
            world.governor.grants.revoke(grant.id, by="carol")
        self.execute(statement)
        for governor in (world.governor, world.new_governor()):
            world.governor = governor
            with pytest.raises(LedgerError, match="seal"):
                world.use()
            with pytest.raises(LedgerError, match="seal"):
                governor.grants.all()

    def test_a_row_moved_to_another_place_does_not_open(self, world):
        """A genuine register under the key of another user's place."""
        world.give()
        scope = world.elsewhere(user="eve")
        theirs = world.step(scope=scope, **CALL)
        place = grant_place(world.binding(theirs, scope), any_thread=False)
        self.execute("UPDATE grants SET key=?", place)
        with pytest.raises(LedgerError, match="seal"):
            world.governor.gate.decide(theirs, scope)

    def test_a_revocation_cannot_be_put_back_while_somebody_looks(self, world):
        grant = world.give()
        before = next(world.ledger.scan(Table.GRANTS))
        world.governor.grants.revoke(grant.id, by="carol")
        self.execute("UPDATE grants SET state=?, body=?, seal=?", before.state, before.body, before.seal)
        with pytest.raises(LedgerError, match="not those that were there before"):
            world.use()
        self.execute("DELETE FROM grants")
        with pytest.raises(LedgerError, match="not those that were there before"):
            world.use()

    def test_a_removed_row_leaves_a_question(self, world):
        world.give()
        self.execute("DELETE FROM grants")
        world.governor = world.new_governor()
        assert isinstance(world.use(), NeedsApproval)

    def test_what_a_refilled_counter_gives_and_what_it_does_not(self, world):
        """Counters carry no seal: refilled, they give more of the same calls, but none that differs, is larger, or
        comes after the end; and a grant that was seen to be used up stays so."""
        world.give(uses=1, each={"amount": "100"})
        assert world.runs()
        self.execute("UPDATE counters SET value=0")
        assert world.runs()
        assert isinstance(world.use(to="mallory"), NeedsApproval)
        assert isinstance(world.use(amount=101), NeedsApproval)
        assert isinstance(world.use(), NeedsApproval)  # seen to be used up
        self.execute("UPDATE counters SET value=0")
        assert isinstance(world.use(), NeedsApproval)

    def test_a_counter_below_nothing_gives_nothing(self, world):
        world.give()
        world.runs()
        self.execute("UPDATE counters SET value=-1000000000000")
        assert isinstance(world.use(), NeedsApproval)


def test_a_forged_grant_needs_the_key(world):
    """A register sealed with another key is an error, not a grant."""
    other = GrantWorld()
    other.sealer = type(other.sealer)(bytes(32))
    other.governor = other.new_governor()
    other.give()
    world.ledger.apply([Change(row) for row in other.ledger.scan(Table.GRANTS)], durable=True)
    with pytest.raises(LedgerError, match="seal"):
        world.use()


def test_a_stop_is_stronger_than_a_grant(world):
    world.give()
    world.governor.stops.order("agent", "clerk")
    assert isinstance(world.use(), Denied)


def test_a_budget_asks_where_a_grant_would_not(world):
    """A grant answers the rules that permitted it, not a budget that wants a person; and it is charged beside it."""
    budget = "\nbudgets: {calls: {measure: calls, limit: 2, beyond: require_approval}}"
    world = GrantWorld(policy=parse_policy(BUNDLE + budget))
    grant = world.give()
    assert [world.runs() for _ in range(3)] == [True, True, False]
    assert world.governor.grants.get(grant.id).used == 2


def test_a_charge_that_another_worker_made_first_leaves_a_question(world):
    """Whoever finds the counter full when the permit is written gets no permit, and the person is asked."""
    world.give(uses=1)
    ledger = world.ledger
    honest = ledger.apply

    def apply(changes, *, durable, charges=()):
        if charges:
            ledger.apply = honest
            honest([], durable=True, charges=[Charge(charge.counter, charge.amount) for charge in charges])
        return honest(changes, durable=durable, charges=charges)

    ledger.apply = apply
    assert isinstance(world.use(), NeedsApproval)
