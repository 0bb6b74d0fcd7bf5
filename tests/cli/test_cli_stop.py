"""The kill switch from the command line: it stands, it is told, it is recorded, and it works only on a real home."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_logs import Run

from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.governor import Governor

POLICY = parse_policy("""
version: 1
id: cli
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [look]}}
rules: [{id: all, effect: allow, tools: [look]}]
""")


@pytest.fixture
def governed(tmp_path: Path) -> Path:
    with Governor.open(POLICY, tmp_path / "home"):
        pass
    return tmp_path / "home"


@pytest.mark.parametrize("kind", ["run", "agent", "tenant"])
def test_a_stop_is_ordered_listed_and_lifted(run: Run, governed: Path, kind: str) -> None:
    ordered = run("stop", kind, "x\x1b[2J", "--home", governed, "--reason", "odd", "--by", "alice", "--json")
    assert ordered.exit_code == 0
    report = json.loads(ordered.output)
    assert (report["order"]["kind"], report["order"]["by"], report["epoch"], report["stopped"]) == (
        kind,
        "alice",
        1,
        [],
    )
    listed = run("stop", "list", "--home", governed)
    assert f"Stopped: {kind} x" in listed.output
    assert "\x1b" not in ordered.output + listed.output
    (order,) = json.loads(run("stop", "list", "--home", governed, "--json").output)["stops"]
    assert (order["kind"], order["reason"]) == (kind, "odd")
    assert run("stop", "lift", kind, "x\x1b[2J", "--home", governed).exit_code == 0
    assert run("stop", "list", "--home", governed).output == "Nothing is stopped.\n"
    assert run("stop", "lift", kind, "x\x1b[2J", "--home", governed).exit_code == 1
    kinds = [entry.kind for entry in read_log(governed / "audit") if entry.is_event]
    assert kinds == ["stop_ordered", "stop_reported", "stop_lifted"]
    assert verify_log(governed / "audit").ok
    told = run("replay", "timeline", governed)
    assert "lifted the stop" in told.output
    assert "no_run_start" not in told.output


def test_a_stop_of_what_the_ledger_does_not_know_is_told(run: Run, governed: Path) -> None:
    """A name that was misspelled in a hurry stops nobody."""
    ordered = run("stop", "agent", "clrek", "--home", governed)
    assert ordered.exit_code == 0
    assert "The stop stands; is the name spelled as in policy?" in ordered.output


def test_a_home_that_is_none_is_refused_and_left_alone(run: Run, tmp_path: Path) -> None:
    refused = run("stop", "agent", "clerk", "--home", tmp_path)
    assert refused.exit_code == 2
    assert "no governance home" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_a_stop_stands_and_says_so_where_the_effects_to_report_were_edited(run: Run, governed: Path) -> None:
    with closing(sqlite3.connect(governed / "ledger.sqlite3")) as attacker:
        attacker.execute("INSERT INTO effects VALUES ('k', 'started', x'7b7d', 'no seal')")
        attacker.commit()
    result = run("stop", "agent", "clerk", "--home", governed)
    assert result.exit_code == 2
    assert "the stop stands, but what it stopped cannot be told" in result.stderr
    assert "Stopped: agent clerk" in run("stop", "list", "--home", governed).stdout


def test_a_stop_that_a_trigger_would_take_back_is_refused(run: Run, governed: Path) -> None:
    with closing(sqlite3.connect(governed / "ledger.sqlite3")) as attacker:
        attacker.execute("CREATE TRIGGER t AFTER INSERT ON stops BEGIN DELETE FROM stops; END")
    result = run("stop", "agent", "clerk", "--home", governed)
    assert result.exit_code == 2
    assert "trigger t" in result.stderr
