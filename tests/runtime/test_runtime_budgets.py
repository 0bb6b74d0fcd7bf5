"""Budgets and chain risk: charged with the permit, within the limit or not at all, shared by all who draw on them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import ALICE, CLERK, LAW, FailingSink, World

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.errors import AisecopsError, AuditWriteError, PolicyError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.testing import MemoryLedger

BUNDLE = """
version: 1
id: budget-tests
agents: {clerk: {capabilities: [reading, paying]}, helper: {capabilities: [reading, paying]}}
capabilities:
  reading: {tools: [look], risk: low}
  paying: {tools: [pay], risk: high}
rules:
  - {id: all, effect: allow, capabilities: [reading, paying]}
tools:
  look: {effects: [read]}
  pay: {effects: [spend], targets: [to], amounts: [amount]}
"""


def world(bounds: str, **given) -> World:
    return World(policy=parse_policy(BUNDLE + textwrap.dedent(bounds)), **given)


def pay(world: World, number: int, amount: object = 10, to: object = "bob", **given) -> object:
    proposal = world.propose("pay", f"call-{number}", f"turn-{number}", amount=amount, to=to, **given)
    return world.governor.gate.decide(proposal, given.get("scope") or world.scope)


def codes(world: World) -> list[str]:
    (decision,) = [event.decision for event in world.sink.events if event.kind == "decision_made"][-1:]
    return [reason.code for reason in decision.reasons]


def test_a_budget_is_spent_to_its_limit_and_no_further():
    """What fits is permitted, what does not is denied with its reason in the event, and nothing is charged for it."""
    here = world("budgets: {money: {measure: spend, limit: 25.5}}")
    assert isinstance(pay(here, 1), Permitted)
    assert isinstance(pay(here, 2, "15.50"), Permitted)
    assert isinstance(pay(here, 3, 0.000001), Denied)
    assert codes(here)[0] == "budget_exceeded"
    made = here.sink.events[-1]
    assert made.kind == "decision_made"
    assert made.usage.used == {"money": 25_500_000}
    assert made.decision.demand == {"money": 1}
    assert made.decision.effect is Effect.DENY
    assert isinstance(pay(here, 4, 0), Permitted)


@pytest.mark.parametrize(
    "amount",
    [
        *(-1, "-1", "NaN", "Infinity", "1e400", "ten", True, {"a": "x"}, 1e300, 2**60, [5, "x"]),
        *("1.000", "1_000", "1e3", "\u0661\u0662", "\uff15", "007", "+5", "1,000", ""),
        *(None, [], {}, [None], {"500": None}),
    ],
)
def test_an_amount_that_cannot_be_counted_is_denied(amount):
    """Neither text that readers take differently, nor a negative amount, nor none slips past a budget of money."""
    here = world("budgets: {money: {measure: spend, limit: 1000000}}")
    assert isinstance(pay(here, 1, amount), Denied)
    assert codes(here)[0] == "demand_unknown"


def test_a_tool_that_nobody_declared_cannot_spend_under_a_budget():
    """The worst profile spends an unknown amount."""
    here = World(
        policy=parse_policy(BUNDLE.partition("tools:\n  look:")[0] + "budgets: {m: {measure: spend, limit: 9}}")
    )
    assert isinstance(here.decide(here.propose("look")), Denied)
    assert codes(here)[0] == "demand_unknown"


def test_deciding_again_charges_once():
    """The gate may be passed any number of times for one step; a permit that expired is replaced at no charge."""
    here = world("budgets: {calls: {measure: calls, limit: 1}}")
    proposal = here.propose("look")
    first = here.decide(proposal)
    here.clock.advance(seconds=299)
    assert here.decide(proposal) == first
    here.clock.advance(seconds=2)
    again = here.decide(proposal)
    assert isinstance(again, Permitted)
    assert again != first
    assert isinstance(here.decide(here.propose("look", "call-2", "turn-2")), Denied)


def test_recipients_are_counted_once_in_one_spelling():
    """The same recipient in another case, width or list is no new one."""
    here = world("budgets: {people: {measure: recipients, limit: 2, per: principal, window: day}}")
    assert isinstance(pay(here, 1, to="bob@example.com"), Permitted)
    assert isinstance(pay(here, 2, to=["BOB@example.com ", "\uff42ob@example.com"]), Permitted)
    assert isinstance(pay(here, 3, to=["eve", "mallory"]), Denied)
    assert isinstance(pay(here, 4, to="eve"), Permitted)
    assert isinstance(pay(here, 5, to="mallory"), Denied)
    here.clock.advance(seconds=86_400)
    assert isinstance(pay(here, 6, to="mallory"), Permitted)


@pytest.mark.parametrize(
    "to",
    [
        "a@example.com, b@example.com",
        "a@example.com b@example.com",
        "A <a@example.com>;B <b@example.com>",
        "bob|eve",
        "bob\neve",
        ["bob", {"cc": "eve"}],
        {"a@example.com": "to", "b@example.com": "to"},
    ],
)
def test_several_recipients_in_one_argument_count_each(to):
    here = world("budgets: {people: {measure: recipients, limit: 1}}")
    assert isinstance(pay(here, 1, to=to), Denied)
    assert codes(here)[0] == "budget_exceeded"
    assert isinstance(pay(here, 2, to="Bob Smith <bob@example.com>"), Permitted)


def test_an_amount_that_was_left_out_counts_for_nothing_beside_another():
    here = world("budgets: {money: {measure: spend, limit: 5}}")
    assert isinstance(pay(here, 1, amount=[5, None]), Permitted)


def test_a_budget_of_writes_leaves_reading_alone():
    here = world("budgets: {writes: {measure: writes, limit: 1, beyond: require_approval}}")
    assert isinstance(pay(here, 1), Permitted)
    assert isinstance(here.decide(here.propose("look", "call-2", "turn-2")), Permitted)
    assert isinstance(pay(here, 3), NeedsApproval)


def test_a_person_may_lift_a_budget_that_says_so_for_one_call():
    """What was approved runs and is counted; the next call asks again."""
    here = world("budgets: {money: {measure: spend, limit: 5, beyond: require_approval}}")
    proposal = here.propose("pay", amount=100, to="bob")
    here.governor.approvals.answer(here.ask(proposal), Approve(), ALICE)
    assert isinstance(here.decide(proposal), Permitted)
    assert isinstance(pay(here, 2, 1), NeedsApproval)
    made = [event for event in here.sink.events if event.kind == "decision_made"][-1]
    assert made.usage.used == {"money": 100_000_000}


def test_delegates_and_threads_share_what_they_should():
    """A budget per run covers those it delegates to, one per principal all threads of the user, and no other user."""
    here = world("budgets: {calls: {measure: calls, limit: 1, per: principal}}")
    other_thread = here.scope.model_copy(update={"thread": "thread-2", "trace": "cd" * 16})
    other_user = other_thread.model_copy(update={"principal": CLERK.model_copy(update={"user": "zoe"})})
    other_agent = other_thread.model_copy(update={"principal": CLERK.model_copy(update={"agent": "helper"})})
    assert isinstance(pay(here, 1), Permitted)
    for number, scope in enumerate((other_thread, other_agent)):
        assert isinstance(pay(here, 10 + number, scope=scope), Denied)
    assert isinstance(pay(here, 20, scope=other_user), Permitted)


def test_a_new_trace_in_state_opens_no_new_budget():
    """State can name any trace; a run's budget belongs to its thread."""
    here = world("budgets: {calls: {measure: calls, limit: 1}}")
    forged = here.scope.model_copy(update={"trace": "ef" * 16})
    assert isinstance(pay(here, 1), Permitted)
    assert isinstance(pay(here, 2, scope=forged), Denied)


def test_what_never_ran_is_given_back():
    """If the intent cannot be recorded nothing runs, and the money is there for the next call."""
    here = world("budgets: {money: {measure: spend, limit: 10}}")
    proposal = here.propose("pay", amount=10, to="bob")
    permit = here.decide(proposal).permit
    sink, here.governor.recorder._sink = here.governor.recorder._sink, FailingSink(1, lasting=True)
    with pytest.raises(AuditWriteError):
        here.begin(proposal, permit.id)
    here.governor.recorder._sink = sink
    assert isinstance(pay(here, 2), Permitted)


def test_seconds_run_from_the_first_call():
    here = world("budgets: {time: {measure: seconds, limit: 60}}")
    assert isinstance(pay(here, 1), Permitted)
    here.clock.advance(seconds=59)
    assert isinstance(pay(here, 2), Permitted)
    here.clock.advance(seconds=2)
    assert isinstance(pay(here, 3), Denied)


def test_tokens_stop_the_model_and_the_calls():
    here = world("budgets: {tokens: {measure: tokens, limit: 100, per: tenant, window: day}}")
    governor = here.governor
    assert governor.oversight.may_ask_model(here.scope)
    governor.oversight.meter(here.scope, 100)
    assert not governor.oversight.may_ask_model(here.scope)
    assert here.only("budget_exhausted").budgets == ("tokens",)
    assert isinstance(pay(here, 1), Denied)


CHAIN = "chain_risk: {escalation: 2, stress: 1, approval_at: 30, halt_at: 55}"


def test_the_risk_of_a_chain_adds_up_factor_by_factor():
    """weight x escalation x trust x stress, every factor in the event; then a person, then a halt."""
    here = world(CHAIN)
    assert isinstance(here.decide(here.propose("look")), Permitted)
    assert isinstance(pay(here, 2), Permitted)
    step = here.sink.events[-2].decision.chain
    assert (step.step, step.escalation, step.trust, step.stress) == (10, 2, 1, 1)
    assert (step.added, step.total) == (20_000, 21_000)
    proposal = here.propose("pay", "call-3", "turn-3", amount=1, to="eve")
    here.governor.approvals.answer(here.ask(proposal), Approve(), ALICE)
    assert codes(here)[0] == "chain_risk"
    assert isinstance(here.decide(proposal), Permitted)
    assert isinstance(pay(here, 4), NeedsApproval)
    assert isinstance(here.decide(here.propose("look", "call-5", "turn-5")), NeedsApproval)


def test_a_person_cannot_lift_a_halt():
    here = world("chain_risk: {approval_at: 5, halt_at: 15}")
    for number, expected in ((1, Permitted), (2, Denied)):
        proposal = here.propose("pay", f"call-{number}", f"turn-{number}", amount=1, to="eve")
        verdict = here.decide(proposal)
        if isinstance(verdict, NeedsApproval):
            here.governor.approvals.request(verdict.binding, parents=(verdict.event,))
            here.governor.approvals.answer(verdict.binding, Approve(), ALICE)
            verdict = here.decide(proposal)
        assert isinstance(verdict, expected)
    assert codes(here)[0] == "chain_halted"


def test_a_fuller_budget_makes_each_step_riskier():
    here = world("budgets: {calls: {measure: calls, limit: 2}}\nchain_risk: {stress: 3, halt_at: 1000}")
    assert isinstance(pay(here, 1), Permitted)
    assert isinstance(pay(here, 2), Permitted)
    steps = [event.decision.chain for event in here.sink.events if event.kind == "decision_made"]
    assert [step.stress for step in steps] == [1.0, 2.0]


@LAW
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=12), st.integers(1, 100))
def test_no_order_of_calls_overdraws(calls, limit):
    """Whatever is proposed in whatever order, in one governor or two, permitted amounts never pass the limit."""
    here = world(f"budgets: {{money: {{measure: spend, limit: {limit}}}}}")
    governors = (here.governor, here.new_governor())
    spent = 0
    for number, (amount, which) in enumerate(calls):
        proposal = here.propose("pay", f"call-{number}", f"turn-{number}", amount=amount, to="bob")
        verdict = governors[which].gate.decide(proposal, here.scope)
        fits = spent + amount <= limit
        assert isinstance(verdict, Permitted) is fits
        spent += amount if fits else 0
    assert spent <= limit


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_racing_workers_never_overdraw(kind, tmp_path):
    """Of many that draw at once exactly as many are permitted as fit; the others are told that the budget is used."""
    ledger = MemoryLedger() if kind == "memory" else SqliteLedger(tmp_path / "ledger.sqlite3")
    here = world("budgets: {money: {measure: spend, limit: 35}}", ledger=ledger)

    def one(number: int) -> bool:
        try:
            return isinstance(pay(here, number), Permitted)
        except AisecopsError:
            return False

    with ThreadPoolExecutor(8) as pool:
        permitted = sum(pool.map(one, range(24)))
    assert permitted == 3
    ledger.close()


WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from runtime_kit import World
from test_runtime_budgets import pay, world
from aisecops_langchain.runtime.decisions.verdicts import Permitted
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
here = world("budgets: {money: {measure: spend, limit: 100, per: principal}}", ledger=SqliteLedger(Path(sys.argv[2])))
start = int(sys.argv[3])
print(sum(isinstance(pay(here, number, 7), Permitted) for number in range(start, start + 10)))
"""


def test_processes_share_a_budget_without_overdrawing(tmp_path: Path):
    """Three real processes draw on one budget in one SQLite file."""
    command = [sys.executable, "-c", WORKER, str(Path(__file__).parent), str(tmp_path / "ledger.sqlite3")]
    workers = [
        subprocess.Popen([*command, str(100 * number)], stdout=subprocess.PIPE, text=True) for number in range(3)
    ]
    counts = [int(worker.communicate(timeout=120)[0]) for worker in workers]
    assert sum(counts) == 100 // 7


@pytest.mark.parametrize(
    "bounds",
    [
        "budgets: {}",
        "budgets: {b: {measure: calls, limit: 0}}",
        "budgets: {b: {measure: calls, limit: 1.5}}",
        "budgets: {b: {measure: wishes, limit: 1}}",
        "budgets: {b: {measure: calls, limit: 1, tools: [nothing]}}",
        "budgets: {b: {measure: seconds, limit: 1, per: tenant}}",
        "budgets: {b: {measure: tokens, limit: 1, tools: [look]}}",
        "chain_risk: {}",
        "chain_risk: {halt_at: 5, approval_at: 6}",
        "chain_risk: {halt_at: .inf}",
        "chain_risk: {halt_at: 5, trust: {user: 1}}",
        "chain_risk: {halt_at: 5, escalation: 0.5}",
    ],
)
def test_a_bound_that_bounds_nothing_sensible_is_refused(bounds):
    with pytest.raises(PolicyError):
        parse_policy(BUNDLE + bounds)


def test_the_normalised_bundle_reads_back():
    """Budgets and chain risk are covered by the digest."""
    policy = parse_policy(BUNDLE + "budgets: {b: {measure: calls, limit: 3, window: day}}\n" + CHAIN)
    again = parse_policy(policy.bundle_json().decode())
    assert again.digest == policy.digest
    assert again.bounds == policy.bounds
    assert parse_policy(BUNDLE + CHAIN).digest != parse_policy(BUNDLE).digest
