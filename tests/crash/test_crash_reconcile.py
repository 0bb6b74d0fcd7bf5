"""Killed while it pays: a reconciler finds the payment by its idempotency key, and nothing is paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from contextlib import closing

import psycopg
import pytest
from click.testing import CliRunner
from crash_kit import wait_for
from langgraph.checkpoint.sqlite import SqliteSaver

from aisecops_langchain import Governor, PostgresLedger, govern, parse_policy
from aisecops_langchain.cli.main import cli
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.testing import ScriptedChatModel

URL = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")

POLICY = """
version: 1
id: bank
agents: {clerk: {capabilities: [pay]}}
capabilities: {pay: {tools: [pay], risk: high}}
rules: [{id: pay, effect: allow, tools: [pay]}]
tools: {pay: {effects: [spend], targets: [to], idempotency_key: request}}
"""

WORKER = '''
import json, os, sys, time
from pathlib import Path
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from aisecops_langchain import Governor, PostgresLedger, govern, parse_policy
from aisecops_langchain.testing import ScriptedChatModel, call

home, schema, policy, before = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "before"

@tool
def pay(to: str, request: str) -> str:
    """Pay someone."""
    if not before:
        (home / "bank").write_text(json.dumps({request: to}))
    (home / "started").touch()
    time.sleep(600)

ledger = PostgresLedger(os.environ["AISECOPS_TEST_POSTGRES_URL"], schema=schema) if schema else None
governor = Governor.open(parse_policy(policy), home / "governance", ledger=ledger)
with SqliteSaver.from_conn_string(str(home / "checkpoints.sqlite")) as saver:
    script = [[call("pay", "c1", to="bob")], "done"]
    agent = govern(ScriptedChatModel(script=script), [pay], governor=governor, checkpointer=saver)
    agent.invoke({"messages": [("user", "pay bob")]}, {"configurable": {"thread_id": "t"}})
'''


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.skipif(not URL, reason="no server"))])
def schema(request):
    """Where the ledger lies: empty for a file in the home."""
    if request.param == "sqlite":
        yield ""
        return
    name = f"kill_{uuid.uuid4().hex[:12]}"
    yield name
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def killed_while_paying(home, schema, moment, how=signal.SIGKILL):
    """Start a payment in another process, and kill it in the middle, or ask it to end as a server is asked."""
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(home), schema, POLICY, moment])
    wait_for(home / "started")
    os.kill(worker.pid, how)
    assert worker.wait() == -how


@pytest.mark.parametrize(("moment", "outcome"), [("after", "completed"), ("before", "failed")])
def test_a_reconciler_finds_the_effect_of_a_killed_process_by_its_key(tmp_path, schema, moment, outcome):
    killed_while_paying(tmp_path, schema, moment)
    asked = []

    def ask_the_bank(effect):
        asked.append(effect)
        known = tmp_path / "bank"
        return "completed" if known.exists() and effect.idempotency_key in json.loads(known.read_text()) else "failed"

    paid = []

    def pay(to: str, request: str) -> str:
        """Pay someone."""
        paid.append((to, request))
        return "paid"

    ledger = PostgresLedger(URL, schema=schema) if schema else None
    hooks = {"pay": ask_the_bank}
    with Governor.open(parse_policy(POLICY), tmp_path / "governance", ledger=ledger, reconcilers=hooks) as governor:
        (lost,) = governor.effects.find(EffectState.UNKNOWN)
        report = governor.reconcile()
        assert [facts.state for facts in report.resolved] == [EffectState(outcome)]
        assert report.unknown == ()
        assert [facts.idempotency_key for facts in asked] == [lost.idempotency_key]
        assert governor.reconcile().resolved == ()
        with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as saver:
            agent = govern(ScriptedChatModel(script=["done"]), [pay], governor=governor, checkpointer=saver)
            agent.invoke(None, {"configurable": {"thread_id": "t"}})
    assert paid == []


def test_an_operator_sees_the_key_and_settles_the_effect(tmp_path, schema):
    killed_while_paying(tmp_path, schema, "after", signal.SIGTERM)
    where = ["--home", str(tmp_path / "governance"), *(["--ledger", URL, "--schema", schema] if schema else [])]
    shown = CliRunner().invoke(cli, ["effects", "list", "--state", "unknown", "--json", *where])
    (effect,) = json.loads(shown.stdout)["effects"]
    assert json.loads((tmp_path / "bank").read_text()) == {effect["idempotency_key"]: "bob"}
    words = ["--outcome", "completed", "--by", "alice", "--reason", "found at the bank"]
    settled = CliRunner().invoke(cli, ["effects", "resolve", effect["key"], *words, *where])
    assert settled.exit_code == 0, settled.output
    assert effect["idempotency_key"] in settled.output
    with closing(Governor.open(parse_policy(POLICY), tmp_path / "governance", ledger=_ledger(schema))) as governor:
        assert governor.effects.find(EffectState.UNKNOWN) == ()


def _ledger(schema):
    return PostgresLedger(URL, schema=schema) if schema else None
