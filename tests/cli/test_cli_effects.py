"""Unknown effects from the command line: shown with what is known of them, settled once, recorded, never run again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_logs import Run

from aisecops_langchain.audit import read_log, verify_log
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.governor import Governor

BEGIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from runtime_kit import POLICY, World
from aisecops_langchain.runtime.governor import Governor
world = World()
world.governor = Governor.open(POLICY, Path(sys.argv[1]))
world.begin(world.propose("look", call_id="call\\x1b[2J"))
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def begun(tmp_path: Path) -> subprocess.Popen[str]:
    """A living process in the middle of an effect."""
    kit = Path(__file__).parents[1] / "runtime"
    command = [sys.executable, "-c", BEGIN, str(tmp_path / "home"), str(kit)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_an_effect_is_settled_after_its_process_died_and_not_before(
    run: Run, begun: subprocess.Popen[str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (shown,) = json.loads(run("effects", "list", "--home", home, "--json").output)["effects"]
    assert (shown["tool"], shown["state"], shown["thread"], shown["user"]) == ("look", "started", "thread-1", "ann")
    settle = ("effects", "resolve", shown["key"], "--outcome", "completed", "--by", "bob\x1b[2J", "--home", home)
    alive = run(*settle)
    assert (alive.exit_code, "right now" in alive.output) == (1, True)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    listed = run("effects", "list", "--state", "unknown", "--home", home)
    assert shown["key"] in listed.output
    assert shown["call"] in listed.output
    settled = run(*settle, "--reason", "seen in the target")
    assert (settled.exit_code, run(*settle).exit_code) == (0, 0)
    assert "\x1b" not in listed.output + settled.output
    assert run(*settle[:3], "--outcome", "failed", "--by", "eve", "--home", home).exit_code == 1
    assert run("effects", "list", "--state", "unknown", "--home", home).output == "No such effects.\n"
    resolved = [entry.fields for entry in read_log(home / "audit") if entry.kind == "effect_resolved"]
    assert [(event["outcome"], event["resolver"], event["reason"]) for event in resolved] == [
        ("completed", "person", "seen in the target")
    ]
    assert verify_log(home / "audit").ok
    assert "found out that look" in run("replay", "timeline", home).output


@pytest.mark.parametrize(
    "wrong", [("KEY", "--outcome", "unknown", "--by", "x"), ("KEY", "--outcome", "failed"), ("KEY", "--by", "x")]
)
def test_a_word_that_says_too_little_is_refused(run: Run, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    with Governor.open(parse_policy(POLICY), tmp_path):
        pass
    assert run("effects", "resolve", *wrong, "--home", tmp_path).exit_code == 2
    assert run("effects", "resolve", "KEY", "--outcome", "failed", "--by", "x", "--home", tmp_path).exit_code == 1


POLICY = """
version: 1
id: cli
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [look]}}
rules: [{id: all, effect: allow, tools: [look]}]
"""
