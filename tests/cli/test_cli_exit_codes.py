"""One table of exit codes that every command keeps to: 1 if it was looked at and the answer is no, 2 if it was not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from cli_logs import Run

from aisecops_langchain.cli.main import cli
from aisecops_langchain.runtime.governor import Governor

sys.path.insert(0, str(Path(__file__).parents[1] / "runtime"))

from runtime_kit import POLICY

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
NOWHERE = "sha256:" + "0" * 64
BUNDLE = """
version: 1
id: clerks
agents: {clerk: {capabilities: [looking]}}
capabilities: {looking: {tools: [look]}}
rules: [{id: look, effect: allow, tools: [look]}]
"""


def _commands(command: click.Command, *path: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _commands(found, *path, name)


def _table() -> dict[str, str]:
    _, _, section = DOCS.read_text(encoding="utf-8").partition("| Command | `1` |")
    rows = [line.strip("| ").split(" | ", 1) for line in section.partition("\n## ")[0].splitlines() if "`" in line]
    return {name: meaning for cell, meaning in rows for name in re.findall(r"`([^`]+)`", cell)}


def test_the_table_names_every_command_and_no_other() -> None:
    assert set(_table()) == set(_commands(cli))


@pytest.fixture
def governed(tmp_path: Path) -> Path:
    """A home in which nothing happened but that it was opened and stopped once."""
    with Governor.open(POLICY, tmp_path / "governed") as governor:
        governor.stops.order("agent", "other", by="ops")
    return tmp_path / "governed"


@pytest.mark.parametrize(
    "command",
    [
        ("approvals", "show", NOWHERE),
        ("approvals", "approve", NOWHERE, "--as", "bob"),
        ("approvals", "reject", NOWHERE, "--as", "bob"),
        ("effects", "resolve", NOWHERE, "--outcome", "failed", "--by", "ops"),
        ("grants", "show", "none"),
        ("grants", "revoke", "none", "--by", "ops"),
        ("quarantine", "show", NOWHERE),
        ("quarantine", "drop", NOWHERE),
        ("stop", "lift", "agent", "nobody"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_what_a_home_does_not_hold_is_a_no_and_a_home_that_is_not_there_is_no_answer(
    run: Run, governed: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    looked = run(*command, "--home", governed)
    assert looked.exit_code == 1, looked.output
    (tmp_path / "empty").mkdir()
    for nowhere in (tmp_path / "nowhere", tmp_path / "empty"):
        assert run(*command, "--home", nowhere).exit_code == 2


@pytest.mark.parametrize(
    "command", [("approvals", "list"), ("effects", "list"), ("grants", "list"), ("stop", "list"), ("approvals", "tick")]
)
def test_a_ledger_that_cannot_be_used_is_no_answer(run: Run, governed: Path, command: tuple[str, ...]) -> None:
    assert run(*command, "--home", governed).exit_code == 0
    (governed / "ledger.sqlite3").write_bytes(b"no ledger" * 1000)
    assert run(*command, "--home", governed).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        ("replay", "summary", "{log}", "--trace", "{name}"),
        ("replay", "timeline", "{log}", "--trace", "{name}"),
        ("replay", "graph", "{log}", "--trace", "{name}"),
        ("replay", "diff", "{log}", "--trace", "{name}"),
        ("replay", "report", "{name}", "{log}", "--out", "run.html"),
        ("replay", "blast-radius", "{name}", "{log}"),
        ("replay", "origin", "{name}", "{log}"),
    ],
    ids=lambda command: command[1],
)
def test_what_a_log_does_not_hold_is_a_no_and_a_log_that_is_not_there_is_no_answer(
    run: Run, home: Path, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()

    def ask(log: Path) -> Any:
        return run(*(word.format(log=log, name="nobody") for word in command))

    looked = ask(home)
    assert (looked.exit_code, "nobody" in looked.stderr) == (1, True), looked.output
    for nowhere in (tmp_path / "nowhere", tmp_path / "empty"):
        assert ask(nowhere).exit_code == 2


def test_evidence_of_a_trace_that_is_not_there(run: Run, home: Path, governed: Path, tmp_path: Path) -> None:
    assert run("evidence", "pack", governed, "--trace", "nobody", "-o", tmp_path / "e").exit_code == 1
    keyless = run("evidence", "pack", home, "--trace", "nobody", "-o", tmp_path / "e")
    assert keyless.exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        ("policy", "check", "{bundle}"),
        ("policy", "test", "{bundle}"),
        ("policy", "diff", "{bundle}", "{sound}"),
        ("policy", "diff", "{sound}", "{bundle}"),
        ("policy", "explain", "{bundle}", "--agent", "clerk", "--tool", "look", "--args", "{{}}"),
        ("drift", "{home}", "--policy", "{bundle}"),
        ("drift", "{home}", "--recorded", "{bundle}"),
    ],
    ids=lambda command: " ".join(command[:2]) + command[-1],
)
def test_a_bundle_with_faults_is_a_no_and_one_that_is_not_there_is_no_answer(
    run: Run, home: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    sound, faulty = tmp_path / "sound.yaml", tmp_path / "faulty.yaml"
    sound.write_text(BUNDLE)
    faulty.write_text(BUNDLE.replace("effect: allow", "effect: perhaps"))

    def ask(bundle: Path) -> Any:
        return run(*(word.format(bundle=bundle, sound=sound, home=home) for word in command))

    assert ask(faulty).exit_code == 1
    for missing in (tmp_path / "none.yaml", tmp_path):
        done = ask(missing)
        assert (done.exit_code, done.stdout) == (2, ""), done.output


def test_cases_with_faults_are_a_no_and_cases_that_are_not_there_are_no_answer(run: Run, tmp_path: Path) -> None:
    bundle, cases = tmp_path / "policy.yaml", tmp_path / "policy.tests.yaml"
    bundle.write_text(BUNDLE)
    absent = run("policy", "test", bundle)
    assert (absent.exit_code, "policy.tests.yaml" in absent.stderr) == (2, True)
    assert run("policy", "test", bundle, "--cases", tmp_path / "other.yaml").exit_code == 2
    cases.write_text("cases: [{name: x}]\n")
    assert run("policy", "test", bundle).exit_code == 1


def test_arguments_that_cannot_be_used_are_no_answer(run: Run, governed: Path) -> None:
    for command in (
        ("quarantine", "show", "abc"),
        ("quarantine", "drop", "sha256:../../x"),
        ("grants", "revoke", "none", "--by", "  "),
        ("approvals", "approve", NOWHERE),
        ("stop", "lift", "planet", "x"),
    ):
        assert run(*command, "--home", governed).exit_code == 2, command


def test_withheld_content_that_cannot_be_read_is_no_answer(run: Run, governed: Path) -> None:
    (governed / "withheld" / NOWHERE[7:]).mkdir(parents=True)
    for command in (("show", NOWHERE), ("drop", NOWHERE)):
        assert run("quarantine", *command, "--home", governed).exit_code == 2
