"""Grants under many hands: no interleaving of workers, processes or hosts overdraws one, whatever the order of uses."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path

import pytest
from grant_kit import CALL, WISH, GrantWorld
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import ALICE, LAW

from aisecops_langchain.domain.grant import GrantRequest, GrantState
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import AisecopsError, PermitError
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.verdicts import NeedsApproval, Permitted
from aisecops_langchain.runtime.grants.bounds import read_wish
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ledger.records import EffectRecord, open_row
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.testing import MemoryLedger

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")

WORKER = """
import os, sys
from contextlib import closing
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from grant_kit import CALL, GrantWorld
from aisecops_langchain.runtime.decisions.verdicts import Permitted
kind, place, _, number = sys.argv[1:]
if kind == "sqlite":
    from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
    ledger = SqliteLedger(Path(place))
else:
    from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
    ledger = PostgresLedger(os.environ["AISECOPS_TEST_POSTGRES_URL"], schema=place, max_connections=2)
with closing(ledger):
    world = GrantWorld(ledger=ledger)
    steps = [world.step(**{**CALL, "note": f"{number}-{step}"}) for step in range(12)]
    print("up", flush=True)
    sys.stdin.readline()
    permits = [verdict.permit for step in steps if isinstance(verdict := world.decide(step), Permitted)]
    print(len(permits))
"""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Kind and place of a ledger that processes can share, and how to open it here."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.sqlite3"
        yield "sqlite", str(path), lambda: SqliteLedger(path)
        return
    if not URL:
        pytest.skip("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    yield "postgres", name, lambda: PostgresLedger(URL, schema=name)
    with psycopg.connect(URL, autocommit=True) as session:
        session.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")


def permitted(world: GrantWorld, grant: str) -> list[EffectRecord]:
    """Every permit that the ledger holds on a grant."""
    rows = world.ledger.scan(Table.EFFECTS)
    return [record for row in rows if (record := open_row(world.sealer, row, EffectRecord)).grant == grant]


def test_threads_of_two_hosts_use_a_grant_to_its_end_and_no_further(place):
    """Eight threads on two ledgers, each with calls of its own: exactly as many permits as uses and sum allow."""
    with ExitStack() as stack:
        first, second = (GrantWorld(ledger=stack.enter_context(closing(place[2]()))) for _ in range(2))
        grant = first.give(up_to={"amount": "1000"}, uses=7)
        other = first.give({**CALL, "to": "bob"}, up_to={"amount": "450"}, uses=20)
        steps = [
            (first, first.step(**{**CALL, "to": to, "note": f"a{n}"})) for n in range(10) for to in ("alice", "bob")
        ]
        steps += [
            (second, second.step(scope=first.scope.model_copy(), **{**CALL, "to": to, "note": f"b{n}"}))
            for n in range(10)
            for to in ("alice", "bob")
        ]
        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(lambda item: item[0].decide(item[1]), steps))
        won = [item for item in verdicts if isinstance(item, Permitted)]
        assert len(won) == 7 + 4
        assert {type(item) for item in verdicts} <= {Permitted, NeedsApproval}
        assert len(permitted(first, grant.id)) == 7
        assert len(permitted(first, other.id)) == 4
        assert second.governor.grants.get(other.id).spent == {"amount": 400_000_000}


def test_processes_use_a_grant_to_its_end_and_no_further(place):
    """Four real processes that share nothing but the ledger."""
    kind, where, opened = place
    with closing(opened()) as ledger:
        world = GrantWorld(ledger=ledger)
        grant = world.give(up_to={"amount": "900"}, uses=20)
        command = [sys.executable, "-c", WORKER, kind, where, str(Path(__file__).parent)]
        started = [
            subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for number in range(4)
        ]
        for process in started:
            assert process.stdout.readline() == "up\n"
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        won = [int(process.communicate(timeout=60)[0]) for process in started]
        assert sum(won) == 9
        assert world.governor.grants.get(grant.id).spent == {"amount": 900_000_000}


def test_a_grant_is_given_once_however_many_answer(place):
    """Two people answer one question at once, on two hosts: one answer counts, and there is one grant of one kind."""
    with ExitStack() as stack:
        worlds = [GrantWorld(ledger=stack.enter_context(closing(place[2]()))) for _ in range(2)]
        step = worlds[0].step(**CALL)
        binding = worlds[0].ask(step)
        wishes = [read_wish({**WISH, "uses": uses}) for uses in (3, 5)]

        def answer(number: int):
            request = GrantRequest(wish=wishes[number], call=step.step.call)
            return worlds[number].governor.approvals.answer(binding, Approve(request), ALICE)

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(answer, range(2))
        assert first.grant == second.grant is not None
        assert [item.entry.grant for item in worlds[0].governor.grants.all()] == [first.grant]


def test_grants_given_at_once_in_one_place_are_all_kept(place):
    """Nobody's grant writes over another's."""
    with ExitStack() as stack:
        worlds = [GrantWorld(ledger=stack.enter_context(closing(place[2]()))) for _ in range(3)]
        steps = [worlds[0].step(**{**CALL, "note": str(number)}) for number in range(6)]
        with ThreadPoolExecutor(3) as pool:
            records = list(pool.map(lambda n: worlds[n % 3].answer(steps[n], WISH), range(6)))
        given = {record.grant.id for record in records if record.grant}
        assert {item.entry.grant.id for item in worlds[1].governor.grants.all()} == given
        assert len(given) == 6


def test_a_revocation_races_with_starts_and_no_effect_begins_after_it(place):
    """What started had its start written before the revocation returned; the rest never runs."""
    with ExitStack() as stack:
        world, office = (GrantWorld(ledger=stack.enter_context(closing(place[2]()))) for _ in range(2))
        grant = world.give(uses=20, up_to={"amount": "2000"})
        steps = [world.step(**{**CALL, "note": str(number)}) for number in range(12)]
        permits = [world.decide(step).permit for step in steps]

        def begin(number: int) -> str:
            try:
                world.governor.execution.begin(permits[number].id, world.binding(steps[number]))
            except PermitError as refusal:
                return refusal.code
            return "began"

        with ThreadPoolExecutor(5) as pool:
            begun = [pool.submit(begin, number) for number in range(6)]
            pool.submit(office.governor.grants.revoke, grant.id, by="carol").result()
            late = [pool.submit(begin, number) for number in range(6, 12)]
            ran = [future.result() for future in begun]
            assert {future.result() for future in late} == {"grant_revoked"}
        states = [world.effect(step).state for step in steps]
        assert set(ran) <= {"began", "grant_revoked"}
        assert [state is EffectState.STARTED for state in states[:6]] == [how == "began" for how in ran]
        assert EffectState.STARTED not in states[6:]
        assert office.governor.grants.get(grant.id).state is GrantState.REVOKED


AMOUNTS = st.one_of(
    st.integers(-2, 60),
    st.decimals(0, 50, places=6).map(float),
    st.sampled_from([0.1, 1e-7, -0.0, "5", None, True, 2**64 - 1, 1e300, [5]]),
)
ACTION = st.one_of(
    st.tuples(st.just("use"), st.sampled_from(["alice", "Alice", "bob", 5]), AMOUNTS),
    st.tuples(st.just("again"), st.integers(0, 9), st.none()),
    st.tuples(st.just("wait"), st.integers(1, 900), st.none()),
    st.tuples(st.just("begin"), st.integers(0, 9), st.none()),
    st.tuples(st.just("revoke"), st.none(), st.none()),
)


def _uses(world: GrantWorld, actions) -> Iterator[tuple[dict, bool, int]]:
    """Play actions; yield for each first permit its arguments, whether the grant was live, and the time."""
    grant = world.governor.grants.all()[0].entry.grant
    steps, live, seen = [], True, set()
    for what, one, other in actions:
        if what == "use":
            steps.append(world.step(**{**CALL, "to": one, "amount": other}))
        elif what == "wait":
            world.clock.advance(one)
        elif what == "revoke":
            world.governor.grants.revoke(grant.id, by="carol")
            live = False
        step = None
        if what == "use":
            step = steps[-1]
        elif what in ("again", "begin") and steps:
            step = steps[one % len(steps)]
        if step is None:
            continue
        verdict = world.decide(step)
        if not isinstance(verdict, Permitted):
            continue
        if what == "begin":
            try:
                world.governor.execution.begin(verdict.permit.id, world.binding(step))
            except AisecopsError:
                continue
        if step.step.call_id not in seen:
            seen.add(step.step.call_id)
            yield step.step.call.arguments(), live, world.clock.now()


@LAW
@given(
    actions=st.lists(ACTION, max_size=30),
    uses=st.integers(1, 8),
    most=st.integers(0, 120),
    each=st.none() | st.integers(0, 40),
)
def test_law_of_grants(actions, uses, most, each):
    """Whatever is proposed, repeated, begun, waited for and revoked: never more calls or a higher sum than granted, and
    no permit for a call that differs, comes too late or after the revocation."""
    world = GrantWorld(ledger=MemoryLedger())
    bounds = {} if each is None else {"each": {"amount": str(min(each, most))}}
    grant = world.give(uses=uses, up_to={"amount": str(most)}, **bounds)
    made = list(_uses(world, actions))
    assert len(made) <= uses
    assert sum((Decimal(str(arguments["amount"])) for arguments, _, _ in made), Decimal(0)) <= most
    for arguments, live, now in made:
        assert live
        assert arguments["to"] == "alice"
        assert type(arguments["amount"]) in (int, float)
        assert 0 <= arguments["amount"] <= (most if each is None else each)
        assert grant.given_at <= now < grant.expires_at
