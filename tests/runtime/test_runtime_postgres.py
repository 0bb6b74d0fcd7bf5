"""The PostgreSQL ledger keeps to the port across processes, kills and lost sessions; budgets hold on both ledgers.

Needs a server: AISECOPS_TEST_POSTGRES_URL names a database in which schemas may be made.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import traceback
import uuid
from contextlib import ExitStack, closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import psycopg
from aisecops_langchain.errors import AisecopsError, ConfigurationError, LedgerError, PermitError
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ports import Change, Charge, Table
from aisecops_langchain.runtime.postgres_ledger import PostgresLedger
from aisecops_langchain.runtime.sqlite_ledger import SqliteLedger
from aisecops_langchain.runtime.switch import open_stops
from aisecops_langchain.testing.conformance import LedgerConformance, row

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")

PREAMBLE = """
import os, sys
from contextlib import closing
from pathlib import Path
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ports import Change, Charge, Table
from aisecops_langchain.testing.conformance import row
def opened():
    kind, place = sys.argv[1:3]
    if kind == "sqlite":
        from aisecops_langchain.runtime.sqlite_ledger import SqliteLedger
        return SqliteLedger(Path(place))
    from aisecops_langchain.runtime.postgres_ledger import PostgresLedger
    return PostgresLedger(os.environ["AISECOPS_TEST_POSTGRES_URL"], schema=place, max_connections=2)
print("up", flush=True)
sys.stdin.readline()
with closing(opened()) as ledger:
"""


def sql(statement, *values):
    with psycopg.connect(URL, autocommit=True) as session:
        cursor = session.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def schema():
    name = f"test_{uuid.uuid4().hex}"
    yield name
    sql(f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def ledger(schema):
    with closing(PostgresLedger(URL, schema=schema)) as ledger:
        yield ledger


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    """Kind and place of a ledger that processes can share, and how to open it here."""
    if request.param == "sqlite":
        path = request.getfixturevalue("tmp_path") / "ledger.sqlite3"
        return "sqlite", str(path), lambda: SqliteLedger(path)
    name = request.getfixturevalue("schema")
    return "postgres", name, lambda: PostgresLedger(URL, schema=name)


@pytest.fixture
def handles(place):
    """Four ledgers on one place."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(place[2]())) for _ in range(4)]


class TestPostgresLedger(LedgerConformance):
    @pytest.fixture
    def ledger(self, schema):
        with closing(PostgresLedger(URL, schema=schema)) as ledger:
            yield ledger


def run_processes(kind, place, body, count=4):
    """Start processes, let them go at once, and return the lines that each printed."""
    code = PREAMBLE + "\n".join("    " + line for line in body.strip().splitlines())
    command = [sys.executable, "-c", code, kind, place]
    started = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(count)
    ]
    for process in started:
        assert process.stdout.readline() == "up\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * count
    return [text.split() for text in printed]


def test_processes_open_a_new_schema_at_once_and_race_for_effects(schema):
    """Four processes, none of which found a table: each effect is started by exactly one."""
    body = """
ledger.apply([Change(row(f"effect-{step}")) for step in range(20)], durable=False)
for step in range(20):
    mine = Change(row(f"effect-{step}", f"v-{sys.argv[3]}", state="started"), replaces="v1")
    print(int(ledger.apply([mine], durable=True)))
"""
    won = run_processes("postgres", schema, body)
    with closing(PostgresLedger(URL, schema=schema)) as ledger:
        for step in range(20):
            winners = [f"v-{number}" for number in range(4) if won[number][step] == "1"]
            assert winners == [ledger.get(Table.EFFECTS, f"effect-{step}").seal]
    assert sql(f"SELECT version FROM {schema}.migrations") == [(1,)]


def test_a_row_and_the_row_that_forbids_it_never_both_stand(schema):
    """Of an insert that is meant only without another row, and that row, written at once, one is refused.

    Each process does one of the two, over and over: the row itself is inserted with ``unless`` both ways.
    """
    body = """
tables = [Table.EFFECTS, Table.APPROVALS]
mine, other = tables if int(sys.argv[3]) % 2 else tables[::-1]
for step in range(100):
    change = Change(row(f"key-{step}", sys.argv[3], table=mine), unless=(other, f"key-{step}"))
    print(int(ledger.apply([change], durable=False)))
"""
    won = run_processes("postgres", schema, body)
    for step in range(100):
        assert [answers[step] for answers in won].count("1") == 1


def test_processes_that_take_names_in_opposite_orders_do_not_block_each_other(schema):
    body = """
names = ["a", "b", "c", "d"]
names = names if int(sys.argv[3]) % 2 else names[::-1]
for step in range(50):
    print(int(ledger.apply([], durable=False, charges=[Charge(name, 1) for name in names])))
"""
    assert run_processes("postgres", schema, body) == [["1"] * 50] * 4
    with closing(PostgresLedger(URL, schema=schema)) as ledger:
        assert ledger.balances(list("abcd")) == dict.fromkeys("abcd", 200)


def test_a_budget_is_never_overdrawn_by_processes(place):
    """Four processes charge, give back and watch; the balance is what the successful charges say, at most the limit."""
    kind, where, reopen = place
    body = """
import random
chance = random.Random(int(sys.argv[3]))
spent = 0
for step in range(120):
    amount = chance.choice([1, 2, 3, 5, 8])
    if chance.random() < 0.2 and spent:
        amount = -chance.randint(1, spent)
    limit = 97 if amount >= 0 else None
    if ledger.apply([], durable=False, charges=[Charge("budget", amount, limit=limit), Charge("tries", 1)]):
        spent += amount
        print("ok")
    if not 0 <= ledger.balances(["budget"]).get("budget", 0) <= 97:
        print("overdrawn")
print(spent)
"""
    printed = run_processes(kind, where, body)
    assert not any("overdrawn" in words for words in printed)
    with closing(reopen()) as ledger:
        found = ledger.balances(["budget", "tries"])
    assert found["budget"] == sum(int(words[-1]) for words in printed) <= 97
    assert found["tries"] == sum(words.count("ok") for words in printed)
    assert found["tries"] < 480


AMOUNTS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 9), st.sampled_from([None, "m", "n"])),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=AMOUNTS, limit=st.integers(0, 20))
def test_any_interleaving_of_workers_charges_as_one_would(handles, steps, limit):
    """Four handles on one ledger, used in any order, agree with a plain count."""
    run = uuid.uuid4().hex
    expected, marks = {}, set()
    for worker, name, amount, once in steps:
        counted = once is None or once not in marks
        fits = not counted or expected.get(name, 0) + amount <= limit
        mark = None if once is None else f"{run}-{once}"
        charge = Charge(f"{run}-{name}", amount, limit=limit, once=mark)
        assert handles[worker].apply([], durable=False, charges=[charge]) is fits
        if fits and counted:
            expected[name] = expected.get(name, 0) + amount
            marks.add(once)
    found = handles[0].balances([f"{run}-a", f"{run}-b"])
    assert found == {f"{run}-{name}": value for name, value in expected.items()}

