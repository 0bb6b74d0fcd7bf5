"""Fixtures for tests of the commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parents[1] / "forensics"))  # shares the hand-made events

from cli_logs import Run, write_log
from trace_factory import allowed_story, governed_story

from aisecops_langchain.cli.main import cli


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A governance home with one governed run in its log."""
    write_log(tmp_path / "home" / "audit", governed_story().events)
    return tmp_path / "home"


@pytest.fixture
def two_runs(tmp_path: Path) -> Path:
    """A log with two runs, the later one last."""
    later = [
        event.model_copy(update={"time": event.time.replace(hour=12)}) for event in allowed_story("trace-2").events
    ]
    return write_log(tmp_path / "two", [*governed_story().events, *later])


@pytest.fixture
def run() -> Run:
    """Run the command line as a person would."""

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return invoke
