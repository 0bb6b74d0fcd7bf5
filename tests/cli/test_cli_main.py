"""The command itself: quick to start, clean when it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from cli_logs import Run
from click.testing import CliRunner

from aisecops_langchain.cli.lazy import LazyCommand, LazyGroup
from aisecops_langchain.errors import ConfigurationError

CODE = """
import sys
from aisecops_langchain.cli.main import main
try:
    main()
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    print("LOADED", *sorted(loaded), file=sys.stderr)
"""


def in_a_process(*arguments: str | Path) -> tuple[int, str, set[str]]:
    """Run the command in a fresh interpreter; return exit code, output and the packages that it loaded."""
    command = [sys.executable, "-c", CODE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (loaded,) = [line for line in done.stderr.splitlines() if line.startswith("LOADED")]
    return done.returncode, done.stdout, set(loaded.split()[1:])


HEAVY = {"langchain", "langchain_core", "langgraph", "presidio_analyzer", "spacy", "langchain_community"}


def test_help_loads_no_command() -> None:
    code, output, loaded = in_a_process("--help")
    assert code == 0
    assert all(name in output for name in ("audit", "demo", "eval", "policy", "replay"))
    assert "Exit codes: 0 yes, 1 looked at and no" in output
    assert not loaded & {*HEAVY, "pydantic", "rich", "orjson", "cryptography"}


def test_reading_a_log_loads_neither_langchain_nor_the_detectors(home: Path) -> None:
    code, output, loaded = in_a_process("replay", "summary", home, "--json")
    assert code == 0
    assert output.startswith("{")
    assert not loaded & {*HEAVY, "rich", "re2", "yaml"}


def test_showing_a_log_to_people_loads_rich_but_no_langchain(home: Path) -> None:
    code, _, loaded = in_a_process("replay", "timeline", home)
    assert code == 0
    assert "rich" in loaded
    assert not loaded & HEAVY


def test_a_reader_that_goes_away_ends_the_command_quietly(home: Path) -> None:
    command = [sys.executable, "-c", CODE, "replay", "timeline", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


def test_an_ascii_terminal_can_show_any_log(home: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", CODE, "replay", "timeline", str(home)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0


def failing_group(target: str) -> LazyGroup:
    return LazyGroup(name="test", lazy={"fail": LazyCommand(target, "Fails.", "demo")}, about="A group.")


@click.command()
def fail() -> None:
    raise ConfigurationError("broken\x1b[31m", expected="a whole one", remedy="mend it")


def test_an_error_of_ours_is_one_clean_line() -> None:
    result = CliRunner().invoke(failing_group(f"{__name__}:fail"), ["fail"])
    assert result.exit_code == 2
    assert result.stderr == "Error: broken\\x1b[31m; expected: a whole one; do: mend it\n"


@pytest.mark.parametrize("target", ["no_such_module_here:fail", f"{__name__}:failing_group", f"{__name__}:absent"])
def test_a_command_that_cannot_be_loaded_says_so(target: str) -> None:
    result = CliRunner().invoke(failing_group(target), ["fail"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: command fail")
    assert "Traceback" not in result.output


def test_an_unknown_command_is_refused(run: Run) -> None:
    result = run("repaly")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("arguments", [("--help",), ("replay", "summary"), ("replay", "summary", "--json")])
def test_a_full_disk_is_one_line_and_no_traceback(home: Path, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from aisecops_langchain.cli.main import main; main()", *arguments]
    command += [] if arguments == ("--help",) else [str(home)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize(
    "group",
    ["approvals", "audit", "effects", "eval", "evidence", "grants", "policy", "quarantine", "replay", "stop", "tools"],
)
def test_no_help_ends_in_the_middle_of_a_sentence(run: Run, group: str) -> None:
    told = run(group, "--help").stdout
    assert "Commands:" in told
    assert "..." not in told.partition("Commands:")[2]
