"""Runs the demo as a person would: in a process of its own, in a directory of its own, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from aisecops_langchain.audit import read_log
from aisecops_langchain.demo.books import Page
from aisecops_langchain.domain.events import AnyEvent

OFFLINE = Path(__file__).parent / "offline"
HOME = Path(".aisecops") / "demo"
LETTER = "letter-new-bank-account"
RIGHT_ACCOUNT = "DE89370400440532013000"
WRONG_ACCOUNT = "GB29NWBK60161331926819"

_COMMAND = "from aisecops_langchain.cli.main import main; main()"


@dataclass(frozen=True)
class Finished:
    """A run with ``--json`` that ended well."""

    cwd: Path
    facts: dict[str, object]

    @property
    def home(self) -> Path:
        """Where it ran."""
        return self.cwd / HOME


def aisecops(cwd: Path, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line offline, its output going to a pipe."""
    return subprocess.run(
        [sys.executable, "-c", _COMMAND, *arguments],
        cwd=cwd,
        input=answers,
        env={**os.environ, "PYTHONPATH": str(OFFLINE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def events_in(home: Path) -> list[AnyEvent]:
    """All events of the log of a home, as they lie in the file."""
    return [entry.parse() for entry in read_log(home / "audit") if entry.is_event]


def books_in(home: Path) -> list[Page]:
    """The books of every run of a home, in order of the runs' names."""
    return [Page.model_validate_json(path.read_bytes()) for path in sorted(home.glob("runs/*/books.json"))]
