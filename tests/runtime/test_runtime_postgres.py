"""The PostgreSQL ledger keeps to the port across processes, kills and lost sessions; budgets hold on both ledgers.

Needs a server: AISECOPS_TEST_POSTGRES_URL names a database in which schemas may be made.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from runtime_kit import POLICY, World
from vote_kit import ask, person, voting_world

from aisecops_langchain.cli.main import cli
from aisecops_langchain.errors import AisecopsError, ConfigurationError, LedgerError, PermitError
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.decisions.verdicts import Permitted
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.ledger.choice import open_ledger
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
from aisecops_langchain.runtime.ports import Change, Charge, Table
from aisecops_langchain.runtime.principals.switch import open_stops
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
        from aisecops_langchain.runtime.ledger.sqlite import SqliteLedger
        return SqliteLedger(Path(place))
    from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
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
    assert sql(f"SELECT version FROM {schema}.migrations ORDER BY version") == [(1,), (2,), (3,), (4,)]


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


def test_a_process_killed_between_start_and_end_leaves_an_unknown_effect(schema):
    """Another process with the same sealing key sees that it died, and does not run the effect again."""
    code = """
import sys, time
sys.path.insert(0, sys.argv[1])
from runtime_kit import World
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
ledger = PostgresLedger(sys.argv[2], schema=sys.argv[3])
world = World(ledger=ledger)
running = world.begin(world.propose("look"))
print(ledger.owner, running.permit.id, flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", code, str(Path(__file__).parent), URL, schema]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        owner, permit = process.stdout.readline().split()
        with closing(PostgresLedger(URL, schema=schema)) as ledger:
            world = World(ledger=ledger)
            proposal = world.propose("look")
            assert ledger.is_alive(owner)
            with pytest.raises(PermitError) as caught:
                world.governor.execution.begin(permit, world.binding(proposal))
            assert caught.value.code == "already_running"
            process.kill()
            process.wait()
            wait_until(lambda: not ledger.is_alive(owner))
            with pytest.raises(PermitError) as caught:
                world.governor.execution.begin(permit, world.binding(proposal))
            assert caught.value.code == "unknown"
            assert world.effect(proposal).state == "unknown"
    finally:
        process.kill()
        process.communicate()


def wait_until(condition):
    """The server notices the end of a session a moment after the kernel does."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def marked(schema):
    """A ledger whose sessions can be told from all others by their name."""
    with closing(PostgresLedger(named(schema), schema=schema, timeout_seconds=2)) as ledger:
        yield ledger


def named(schema):
    return make_conninfo(URL, application_name=schema[:60])


def terminate(schema):
    """End all sessions of a ledger, as a restart of the server does."""
    query = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
    ended = [pid for pid, _ in sql(query, schema[:60])]
    assert ended
    wait_until(lambda: not sql("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)", ended))


def test_an_owner_whose_session_was_ended_is_dead_and_refused_once(marked, schema):
    """It counts as dead at once, its next write is refused, and it goes on under another name."""
    before = marked.owner
    with closing(PostgresLedger(URL, schema=schema)) as other:
        terminate(schema)
        assert not other.is_alive(before)
        with pytest.raises(LedgerError, match="lost its lock"):
            marked.apply([Change(row())], durable=True)
        assert other.get(Table.EFFECTS, "key") is None
        assert marked.owner != before
        assert not marked.is_alive(before)
        assert marked.apply([Change(row())], durable=True)
        assert other.get(Table.EFFECTS, "key") == row()
        assert other.is_alive(marked.owner)


def test_reads_outlive_a_restart_of_the_server(marked, schema):
    """A lost connection is replaced where nothing can have been written."""
    marked.increment("count")
    terminate(schema)
    assert marked.get(Table.EFFECTS, "key") is None
    assert marked.balances(["count"]) == {"count": 1}


def test_a_session_ended_in_the_middle_of_a_write_leaves_nothing(marked, schema):
    """While a write waits for a lock its session is ended: it is told, and neither row nor charge is there."""
    with psycopg.connect(URL) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(f"LOCK TABLE {schema}.effects IN ACCESS EXCLUSIVE MODE")
        charge = Charge("spent", 1, limit=5)
        writing = pool.submit(marked.apply, [Change(row())], durable=True, charges=[charge])
        waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: sql(waiting, schema[:60]))
        terminate(schema)
        told = writing.exception(timeout=30)
        assert isinstance(told, LedgerError)
    assert marked.get(Table.EFFECTS, "key") is None
    assert marked.balances(["spent"]) == {}
    if "lost its lock" not in str(told):  # the session of the lock ended later: the next write is told
        with pytest.raises(LedgerError, match="lost its lock"):
            marked.apply([Change(row())], durable=True, charges=[charge])
    assert marked.apply([Change(row())], durable=True, charges=[charge])


def test_a_lock_that_is_held_too_long_is_an_error_not_a_yes(marked, schema):
    with psycopg.connect(URL) as holder:
        holder.execute(f"LOCK TABLE {schema}.effects IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LedgerError):
            marked.apply([Change(row())], durable=True)
        with pytest.raises(LedgerError):
            marked.get(Table.EFFECTS, "key")
    assert marked.apply([Change(row())], durable=True)


def test_a_forked_child_refuses_and_leaves_the_parent_alive(schema):
    """The child may neither use the sessions nor end them, not even by closing or by its own end."""
    code = """
import os, sys
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
ledger = PostgresLedger(sys.argv[1], schema=sys.argv[2])
child = os.fork()
if child == 0:
    try:
        ledger.increment("count")
    except LedgerError:
        ledger.close()
        sys.exit(7)
    sys.exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert ledger.is_alive(ledger.owner)
assert ledger.increment("count") == 1
ledger.close()
"""
    command = [sys.executable, "-c", code, URL, schema]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:hunter2@127.0.0.1:1/test",
        "postgresql://postgres:hunter2/x@127.0.0.1:5432/test",
        "postgresql://postgres:a@hunter2@127.0.0.1:5432/test",
        "postgresql://postgres@127.0.0.1:5432/test?hunter2=1",
        "postgresql://nobody_hunter2:x@127.0.0.1/none",
        "postgres//postgres:hunter2@127.0.0.1",
    ],
)
def test_no_word_of_the_connection_string_gets_out(url, tmp_path, caplog):
    """Not in the message, not in the traceback, not in a log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AisecopsError) as caught:
        Governor.open(POLICY, tmp_path / "home", ledger=url)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert "hunter2" not in told.replace(repr(url), "")
    assert caught.value.__context__ is None or "hunter2" not in str(caught.value.__context__)


def test_a_schema_of_a_later_release_is_refused(ledger, schema):
    sql(f"INSERT INTO {schema}.migrations VALUES (99, now())")
    with pytest.raises(LedgerError, match="version"):
        PostgresLedger(URL, schema=schema)


def test_a_schema_name_is_a_name(schema):
    for name in ("", "x; DROP TABLE y", 'a"b', "A", "x" * 64, "ä"):
        with pytest.raises(ConfigurationError):
            PostgresLedger(URL, schema=name)


def test_schemas_are_apart(ledger):
    """Two ledgers in one database share neither rows, nor counts, nor owners."""
    other_schema = f"test_{uuid.uuid4().hex}"
    try:
        with closing(PostgresLedger(URL, schema=other_schema)) as other:
            assert ledger.apply([Change(row())], durable=False, charges=[Charge("spent", 1)])
            assert other.get(Table.EFFECTS, "key") is None
            assert other.balances(["spent"]) == {}
            assert not other.is_alive(ledger.owner)
    finally:
        sql(f"DROP SCHEMA IF EXISTS {other_schema} CASCADE")


def test_a_stop_from_the_command_line_reaches_the_shared_ledger_and_only_one_that_is_there(schema, tmp_path):
    """The order stands for every host; where there is no ledger, none is made, because it would stop nothing."""
    home, run = tmp_path / "home", CliRunner(env={"AISECOPS_LEDGER_URL": URL}).invoke
    with Governor.open(POLICY, home, ledger=PostgresLedger(URL, schema=schema)) as governor:
        stop = ["stop", "agent", "clerk", "--home", str(home), "--schema"]
        ordered = run(cli, [*stop, schema])
        assert ordered.exit_code == 0, ordered.output
        assert [order.target for order in governor.stops.orders()] == ["clerk"]
        missing = run(cli, [*stop, f"{schema[:40]}_x"])
        assert (missing.exit_code, "no ledger in that database" in missing.output) == (2, True)
        assert sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", f"{schema[:40]}_x") == []
        without = CliRunner(env={"AISECOPS_LEDGER_URL": None}).invoke(cli, [*stop, schema])
        assert (without.exit_code, "goes by another ledger" in without.output) == (2, True)


def test_a_ledger_that_was_opened_for_a_home_that_cannot_be_marked_is_closed(tmp_path):
    """Nothing of a refused opening holds a session in the server."""
    (tmp_path / "home").write_text("a file, no directory")
    name = uuid.uuid4().hex
    with pytest.raises(LedgerError, match="home cannot be written"):
        open_ledger(f"{URL}{'&' if '?' in URL else '?'}application_name={name}", tmp_path / "home", durable=True)
    for _ in range(50):
        if sql("SELECT 1 FROM pg_stat_activity WHERE application_name = %s", name) == []:
            return
        time.sleep(0.1)
    raise AssertionError("a session is left")


def test_two_hosts_share_one_ledger_and_a_home_keeps_to_it(schema, tmp_path):
    """Each host has its own log; a permit used on one is used on the other; no home changes its ledger unnoticed."""
    key = load_or_create_key(tmp_path / "one" / "keys" / "seal.key")
    copied = tmp_path / "two" / "keys" / "seal.key"
    copied.parent.mkdir(parents=True)
    copied.touch(mode=0o600)
    copied.write_bytes(key)
    homes = tmp_path / "one", tmp_path / "two"
    governors = [Governor.open(POLICY, home, ledger=PostgresLedger(URL, schema=schema)) for home in homes]
    with governors[0] as one, governors[1] as two:
        world = World()
        world.governor = one
        proposal = world.propose("look")
        permit = world.permit(proposal)
        assert one.execution.begin(permit.id, world.binding(proposal))
        with pytest.raises(PermitError) as caught:
            two.execution.begin(permit.id, world.binding(proposal))
        assert caught.value.code == "already_running"
    assert all((home / "audit").is_dir() and not (home / "ledger.sqlite3").exists() for home in homes)
    with pytest.raises(ConfigurationError, match="another ledger"):
        Governor.open(POLICY, homes[0])
    with pytest.raises(ConfigurationError), open_stops(homes[0]):
        pass
    Governor.open(POLICY, tmp_path / "local").close()
    with pytest.raises(ConfigurationError, match="another ledger"):
        Governor.open(POLICY, tmp_path / "local", ledger=URL)


def test_votes_from_several_hosts_are_all_kept_and_only_the_needed_ones_count(schema):
    """Asked on one host, voted on from six at once, permitted on a last one."""
    with ExitStack() as stack:
        hosts = [stack.enter_context(closing(PostgresLedger(URL, schema=schema))) for _ in range(6)]
        worlds = [voting_world(ledger=host) for host in hosts]
        proposal, binding = ask(worlds[0])
        people = [person(f"p{number // 2}", "treasurer") for number in range(6)]  # each person from two hosts

        def vote(number):
            return worlds[number].governor.approvals.take(binding, Approve(), people[number])

        with ThreadPoolExecutor(6) as pool:
            taken = list(pool.map(vote, range(6)))
        kept = worlds[3].governor.approvals.find(binding.approval_key())
        assert (kept.state.value, len(kept.votes)) == ("granted", 2)
        assert [item.refused for item in taken].count(None) == 2
        assert len({vote.approver.id for vote in kept.votes}) == 2
        assert isinstance(worlds[5].decide(proposal), Permitted)
