"""Grants from the command line: listed and shown without secrets, taken back for every process, and on record."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_logs import Run

from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.runtime.governor import Governor

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))  # shares the granting world

from grant_kit import CALL, POLICY, GrantWorld

HOSTILE = {**CALL, "to": "alice\x1b[2J", "memo": "bob@example.com"}


@pytest.fixture
def world(tmp_path: Path) -> GrantWorld:
    """A governor on disk, with one grant."""
    made = GrantWorld()
    made.governor = Governor.open(POLICY, tmp_path / "home", clock=made.clock)
    made.give(HOSTILE, reason="rent\x1b[2J")
    return made


def test_a_grant_is_listed_shown_and_revoked(run: Run, world: GrantWorld, tmp_path: Path) -> None:
    home = ("--home", tmp_path / "home")
    assert world.runs(**HOSTILE)
    (listed,) = json.loads(run("grants", "list", *home, "--json").output)["grants"]
    assert (listed["tool"], listed["used"], listed["uses"]) == ("pay", 1, 10)
    assert listed["up_to"] == {"amount": {"most": "500", "spent": "100"}}
    shown = run("grants", "show", listed["id"], *home)
    assert "bob@example.com" not in shown.output
    assert "amount up to 500 in all, 100 spent" in shown.output
    revoked = run("grants", "revoke", listed["id"], *home, "--by", "carol\x1b[2J", "--reason", "wrong\x1b[2J")
    assert revoked.exit_code == 0
    assert f"{listed['id']} revoked" in revoked.output
    assert "\x1b" not in run("grants", "list", *home).output + shown.output + revoked.output
    assert not world.runs(**HOSTILE)
    world.governor.close()
    assert run("grants", "list", "--live", *home).output == "No grants.\n"
    events = [entry.fields for entry in read_log(tmp_path / "home" / "audit") if entry.kind == "grant_revoked"]
    assert [(event["grant"], event["by"]) for event in events] == [(listed["id"], "carol\x1b[2J")]
    assert verify_log(tmp_path / "home" / "audit").ok
    timeline = run("replay", "timeline", tmp_path / "home", "--trace", world.scope.trace).output
    assert "granted 10 calls like pay" in timeline
    assert "is covered by grant" in timeline
    assert "Standing grants" in run("replay", "summary", tmp_path / "home", "--trace", world.scope.trace).output


@pytest.mark.parametrize("command", ["show", "revoke"])
def test_a_grant_that_is_not_there_is_exit_code_1(run: Run, world: GrantWorld, tmp_path: Path, command: str) -> None:
    world.governor.close()
    refused = run("grants", command, "nope", "--home", tmp_path / "home")
    assert refused.exit_code == 1
    assert "no such grant" in refused.output


def test_a_directory_that_is_no_home_is_exit_code_2(run: Run, tmp_path: Path) -> None:
    assert run("grants", "list", "--home", tmp_path).exit_code == 2
