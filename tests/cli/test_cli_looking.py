"""Looking at a governance home writes nothing into its log."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_logs import Run

from aisecops_langchain.audit import verify_log
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime import Governor

POLICY = parse_policy("""
version: 1
id: looked-at
agents: {clerk: {capabilities: [look]}}
capabilities: {look: {tools: [look]}}
rules: [{id: looking, effect: allow, tools: [look]}]
""")


@pytest.fixture
def governed(tmp_path: Path) -> Path:
    Governor.open(POLICY, tmp_path / "home").close()
    return tmp_path / "home"


def log_of(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (home / "audit").rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        ("approvals", "list", "--all"),
        ("approvals", "tick"),
        ("effects", "list"),
        ("grants", "list"),
        ("stop", "list"),
        ("quarantine", "list"),
    ],
    ids="-".join,
)
def test_a_list_begins_no_segment(run: Run, governed: Path, command: tuple[str, ...]) -> None:
    before = log_of(governed)
    for form in ((), ("--json",)):
        assert run(*command, "--home", governed, *form).exit_code == 0
    assert log_of(governed) == before


def test_what_an_operator_says_begins_one(run: Run, governed: Path) -> None:
    assert run("stop", "agent", "clerk", "--home", governed, "--reason", "odd").exit_code == 0
    report = verify_log(governed / "audit")
    assert report.ok
    assert [segment.events for segment in report.segments][1:] == [2]


def test_an_order_that_cannot_be_recorded_says_so(run: Run, governed: Path) -> None:
    audit = governed / "audit"
    audit.rename(governed / "elsewhere")
    audit.write_text("not a directory")
    assert run("stop", "list", "--home", governed).exit_code == 0
    result = run("stop", "agent", "clerk", "--home", governed)
    assert result.exit_code == 2
    assert "the stop stands, but it is not in the log" in result.stderr
    assert "Stopped: agent clerk" in run("stop", "list", "--home", governed).stdout
