"""Three hosts that share nothing but a key, a PostgreSQL ledger and the checkpoints of one graph in PostgreSQL.

An approval is asked for on the first, granted from the second, and carried out on the third. Needs a server:
AISECOPS_TEST_POSTGRES_URL names a database in which schemas may be made.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from crash_kit import HONEST_CRASH, Nursery, effects, events, lines, verified, wait_for
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.conninfo import make_conninfo

from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.forensics import problems_of, summarize, traces_of
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord, open_row
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.sealing import Sealer

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")

NAMES = ("one", "two", "three")


class Hosts:
    """Three homes, and what they share: the world in which tools act, a schema, and nothing else."""

    def __init__(self, nursery: Nursery, root: Path, schema: str) -> None:
        self.nursery = nursery
        self.schema = schema
        self.world = root / "world"
        self.world.mkdir()
        self.homes = {name: root / name for name in NAMES}
        key = root / "one" / "keys" / "seal.key"
        load_or_create_key(key)
        for name in NAMES[1:]:
            (root / name / "keys").mkdir(parents=True, mode=0o700)
            shutil.copy(key, root / name / "keys" / "seal.key")

    def start(self, host: str, action: str, **job):
        return self.nursery.start(self.homes[host], action, schema=self.schema, world=str(self.world), **job)

    def run(self, host: str, action: str, **job) -> dict:
        return self.start(host, action, **job).finish()

    def effect(self) -> EffectRecord:
        """The one effect of the ledger."""
        with closing(PostgresLedger(URL, schema=self.schema)) as ledger:
            (found,) = effects(self.homes["one"], ledger)
        return found

    def approval(self) -> ApprovalRecord:
        """The one approval of the ledger."""
        sealer = Sealer(load_or_create_key(self.homes["one"] / "keys" / "seal.key"))
        with closing(PostgresLedger(URL, schema=self.schema)) as ledger:
            (row,) = (row for row in ledger.scan(Table.APPROVALS) if row.state != "heard")
        return open_row(sealer, row, ApprovalRecord)

    def cut_off(self, host: str) -> None:
        """End all sessions of a host with the database, as a cut through its cable does."""
        name = f"{self.schema}_{host}"[:60]
        assert sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", name)

    def ran(self) -> list[str]:
        return lines(self.world)

    def told(self, host: str) -> list[str]:
        """Kinds of the events in the log of one host."""
        return [entry.kind for entry in read_log(self.homes[host] / "audit") if entry.is_event]

    def verify(self, *, warnings: set[str] = frozenset()) -> None:
        """The log of each host verifies by itself."""
        for home in self.homes.values():
            verified(home, warnings=set(warnings))

    def story(self):
        """The one trace that the logs of all hosts tell together."""
        logs = [read_log(home / "audit") for home in self.homes.values()]
        (trace,) = traces_of(entry.parse() for log in logs for entry in log if entry.is_event)
        return trace


def sql(statement, *values):
    with psycopg.connect(URL, autocommit=True) as session:
        cursor = session.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def hosts(nursery, tmp_path):
    schema = f"hosts_{uuid.uuid4().hex[:16]}"
    sql(f"CREATE SCHEMA {schema}")
    with PostgresSaver.from_conn_string(make_conninfo(URL, options=f"-c search_path={schema}")) as saver:
        saver.setup()
    yield Hosts(nursery, tmp_path, schema)
    sql(f"DROP SCHEMA {schema} CASCADE")


MODES = pytest.mark.parametrize("mode", ["sync", "async"])


@MODES
def test_asked_on_one_host_granted_on_another_carried_out_on_the_third(hosts, mode):
    """The second host has no graph: it answers through the ledger, and the third goes on where the first left."""
    assert hosts.run("one", "go on", scenario="approval", mode=mode)["waiting"] == 1
    hosts.run("two", "grant")
    assert hosts.ran() == []
    done = hosts.run("three", "go on", scenario="approval", mode=mode)
    assert hosts.ran() == ["thread-1 pay-1"]
    assert done["messages"][2:] == [["tool", "success", "did pay 1"], ["ai", "", "done"]]
    assert hosts.effect().state is EffectState.COMPLETED
    assert hosts.told("one")[-2:] == ["approval_requested", "run_paused"]
    assert "approval_granted" in hosts.told("two")
    assert "execution_started" not in hosts.told("one") + hosts.told("two")
    assert hosts.told("three").count("execution_started") == 1
    hosts.verify()


@MODES
def test_the_second_host_answers_by_a_resume_and_dies_before_it_can_go_on(hosts, mode):
    """Whatever of the answer came to be before the kill, the third host either asks again or carries it out, once."""
    hosts.run("one", "go on", scenario="approval", mode=mode)
    for _ in range(3):
        child = hosts.start("two", "approve", scenario="approval", mode=mode)
        time.sleep(0.15)
        child.kill()
    state = hosts.run("three", "go on", scenario="approval", mode=mode)
    if state["waiting"]:
        assert hosts.ran() == []
        hosts.run("three", "approve", scenario="approval", mode=mode)
    found = hosts.effect()
    assert len(hosts.ran()) <= 1
    assert found.state in (EffectState.COMPLETED, EffectState.UNKNOWN)
    assert found.state is EffectState.UNKNOWN or hosts.ran() == ["thread-1 pay-1"]
    hosts.verify(warnings=HONEST_CRASH)


@MODES
def test_a_host_that_dies_between_grant_and_resume_loses_no_approval(hosts, mode):
    hosts.run("one", "go on", scenario="approval", mode=mode)
    child = hosts.start("two", "grant", then="die")
    wait_for(hosts.homes["two"] / "granted")
    assert child.kill() == -9
    hosts.run("three", "go on", scenario="approval", mode=mode)
    assert hosts.ran() == ["thread-1 pay-1"]
    assert hosts.effect().state is EffectState.COMPLETED
    assert hosts.approval().state.value == "consumed"
    hosts.verify(warnings=HONEST_CRASH)


def test_the_logs_of_all_hosts_tell_one_story(hosts):
    """Read together, they are one run without a gap; read alone, the third's executes what it never saw proposed."""
    hosts.run("one", "go on", scenario="approval")
    hosts.run("two", "grant")
    hosts.run("three", "go on", scenario="approval")
    story = hosts.story()
    assert problems_of(story) == ()
    assert story.missing_parents == story.conflicting == story.cyclic == ()
    kinds = [event.kind for event in story.events]
    order = ["plan_created", "decision_made", "approval_requested", "approval_granted", "permit_issued"]
    order += ["execution_started", "execution_completed", "run_finished"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    approvals = summarize(story).approvals
    assert (approvals.asked, approvals.granted) == (1, 1)
    alone = traces_of(entry.parse() for entry in read_log(hosts.homes["three"] / "audit") if entry.is_event)
    assert "no_run_start" in {problem.code.value for problem in problems_of(alone[0])}


@MODES
def test_a_host_cut_off_while_the_tool_runs_says_honestly_what_it_knows(hosts, mode):
    """Its ledger sessions and its checkpointer are gone; what it saw is on its own disk, and nothing runs again."""
    hosts.run("one", "go on", scenario="slow approval", mode=mode)
    hosts.run("two", "grant")
    child = hosts.start("three", "go on", scenario="slow approval", mode=mode)
    wait_for(hosts.world / "started")
    hosts.cut_off("three")
    (hosts.world / "go").touch()
    child.end()
    after = hosts.run("one", "go on", scenario="slow approval", mode=mode)
    assert hosts.ran() == ["thread-1 slow_pay-1"]
    assert after["messages"][-1][2] == "done"
    assert "already carried out" in after["messages"][2][2]
    assert hosts.effect().state is EffectState.COMPLETED
    assert hosts.told("three")[-1] == "execution_completed"
    assert problems_of(hosts.story()) == ()
    hosts.verify()


def test_a_host_cut_off_for_good_leaves_an_effect_that_another_accounts_for(hosts):
    """It counts as dead as soon as its session ends; whoever goes on with the thread records the effect as unknown."""
    hosts.run("one", "go on", scenario="slow approval")
    hosts.run("two", "grant")
    child = hosts.start("three", "go on", scenario="slow approval")
    wait_for(hosts.world / "started")
    hosts.cut_off("three")
    hosts.run("one", "go on", scenario="slow approval")
    assert hosts.effect().state is EffectState.UNKNOWN
    assert len(events(hosts.homes["one"], "execution_unknown")) == 1
    (hosts.world / "go").touch()
    child.end()
    assert hosts.effect().state is EffectState.UNKNOWN
    assert hosts.ran() == ["thread-1 slow_pay-1"]
    assert hosts.told("three")[-1] == "execution_completed"  # what it saw, for whoever settles the effect
    assert problems_of(hosts.story()) == ()
    hosts.verify()
