"""Every example runs offline as it stands, says what it promises, and leaves a log that verifies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aisecops_langchain.audit import read_log, verify_log

TESTS = Path(__file__).parents[1]
EXAMPLES = TESTS.parent / "examples"
PATHS = [str(TESTS / "demo" / "offline"), str(TESTS.parent)]
"""Without a network, and the package of this very tree."""

SAYS = {
    "01_quickstart.py": (
        "human Refund Ann EUR 20 and Bob EUR 900.",
        "tool  Not executed. Policy does not allow this call.",
        "tool  refunded EUR 20.00 to Ann",
        "ai    Done.",
    ),
    "02_approval.py": (
        "the run waits for a person to approve {'amount': 900.0, 'order': 'B4'}",
        "why: rule 'refunds-take-a-person' matched: require_approval",
        "... EUR 900.00 leave the account",
        "agent: Order B4 is refunded.",
        "the same answer once more refunds 0 more times",
        "log verified: True",
    ),
    "03_retriever.py": (
        "[content withheld: it contained text that reads like instructions] (untrusted)",
        "The office is open from nine to five. (untrusted)",
        "From nine to five, except on public holidays.",
        "log verified: True",
    ),
    "04_own_graph.py": (
        "asked to approve: {'name': 'restart', 'args': {'service': 'web'}",
        "wipe: Not executed. Policy does not allow this call.",
        "status: web does not answer",
        "restart: web was restarted",
        "The web service was restarted. (2 turns)",
        "log verified: True",
    ),
    "05_callbacks.py": (
        "words: 4",
        "1 model_started ScriptedChatModel",
        "4 tool_finished word_count",
        "log verified: True",
    ),
    "06_delegation.py": (
        "I found three pages. My mail: Not executed. Policy does not allow this call.",
        "ai    Here they are.",
        "stopped; effects that had run: 1",
        "log verified: True",
    ),
    "07_create_agent.py": (
        "asked to approve: warn_everybody",
        "get_weather: It's always sunny in San Francisco!",
        "warn_everybody: everybody in San Francisco was told: Sun!",
        "delete_archive: Not executed. Policy does not allow this call.",
        "It is sunny in San Francisco, and everybody was warned.",
        "log verified: True",
    ),
    "08_tool_node.py": (
        "tool: Not executed. Policy does not allow this call.",
        "tool: 42",
        "ai: 6 times 7 is 42.",
        "log verified: True",
    ),
}

KINDS = {
    "01_quickstart.py": {"policy_allowed", "policy_blocked", "execution_completed", "run_finished"},
    "02_approval.py": {"approval_requested", "approval_granted", "run_resumed", "execution_completed"},
    "03_retriever.py": {"content_sanitized", "content_admitted"},
    "04_own_graph.py": {"run_started", "policy_blocked", "approval_granted", "execution_completed", "run_finished"},
    "06_delegation.py": {"warrant_issued", "capability_blocked", "execution_completed", "stop_ordered"},
    "07_create_agent.py": {
        "run_started",
        "approval_granted",
        "execution_completed",
        "capability_blocked",
        "run_finished",
    },
    "08_tool_node.py": {"plan_created", "execution_completed", "policy_blocked"},
    "05_callbacks.py": {"model_started", "model_finished", "tool_started", "tool_finished"},
}


def run(name: str, *arguments: str, cwd: Path) -> str:
    """Run an example in a process without a network; returns what it printed."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS), "TMPDIR": str(cwd)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def test_no_example_is_left_out() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == SAYS.keys() == KINDS.keys()


@pytest.mark.parametrize("name", sorted(SAYS))
def test_an_example_says_what_it_promises_and_its_log_verifies(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    said = run(name, str(home), cwd=tmp_path)
    for words in SAYS[name]:
        assert said.count(words) == 1, said
    report = verify_log(home / "audit")
    assert (report.ok, report.problems, report.warnings) == (True, (), ())
    kinds = {entry.kind for entry in read_log(home / "audit")}
    assert kinds >= KINDS[name]


def test_an_example_writes_to_a_temporary_directory_unless_told_otherwise(tmp_path: Path) -> None:
    run("01_quickstart.py", cwd=tmp_path)
    (home,) = tmp_path.iterdir()
    assert home.name.startswith("tmp")
    assert verify_log(home / "audit").ok


def test_the_quickstart_is_short() -> None:
    assert len((EXAMPLES / "01_quickstart.py").read_text().splitlines()) <= 25
