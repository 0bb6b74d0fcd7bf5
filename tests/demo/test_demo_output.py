"""What a newcomer reads: the story in its order, at 80 columns, and commands that work when they are copied."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from demo_kit import HOME, LETTER, RIGHT_ACCOUNT, WRONG_ACCOUNT, Finished, aisecops


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    result = aisecops(tmp_path_factory.mktemp("told"), "demo")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_the_story_is_told_in_its_order(told: str) -> None:
    story = (
        "A governed purchasing agent",
        "maria.keller asks",
        f"withheld  document {LETTER}",
        f'denied    pay_invoice(account="{WRONG_ACCOUNT}"',
        "denied    change_supplier_account",
        "Approval: this is what the approver sees",
        f'"{RIGHT_ACCOUNT}"  untrusted',
        "jonas.weber approves (played by the demo",
        "approved  by jonas.weber",
        f'ran       pay_invoice(account="{RIGHT_ACCOUNT}"',
        "What the agent reports",
        f"paid: INV-2291, EUR 1840.00 to {RIGHT_ACCOUNT}",
        "supplier accounts: as they were",
        "Log verified: ",
        "Outcome completed",
        "The run ended: completed",
        "Where it lies",
        str(HOME / "audit"),
        "What to try next",
    )
    position = 0
    for part in story:
        assert part in told[position:], part
        position = told.index(part, position)


def test_it_fits_into_80_columns_and_is_plain(told: str) -> None:
    assert [row for row in told.splitlines() if len(row) > 80] == []
    assert told.isascii()
    assert all(row.isprintable() for row in told.splitlines())


def test_the_commands_at_the_end_work(told: str, finished: Finished, tmp_path: Path) -> None:
    shutil.copytree(finished.home, tmp_path / HOME)
    rows = told[told.index("What to try next") :].replace("\\\n", " ").splitlines()
    commands = [shlex.split(row)[1:] for row in rows if row.startswith("  aisecops ")]
    assert [command[:2] for command in commands] == [["demo", "--home"], ["policy", "explain"], ["audit", "verify"]]
    for command in commands:
        result = aisecops(tmp_path, *command, answers="y\n")
        assert result.returncode == 0, result.stderr
        if command[0] == "policy":
            assert result.stdout.startswith("ALLOW")


def test_the_commands_in_the_headings_work(told: str, finished: Finished) -> None:
    headings = [shlex.split(row)[2:] for row in told.splitlines() if row.startswith("$ aisecops ")]
    assert len(headings) == 3
    for command in headings:
        assert aisecops(finished.cwd, *command).returncode == 0
