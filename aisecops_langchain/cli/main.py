"""Entry point of the ``aisecops`` command.

Invariant: starting the command loads neither LangChain nor any command that was not asked for, and whatever file or
stream fails is one line, never a traceback.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

import click

from aisecops_langchain import __version__
from aisecops_langchain.cli.lazy import LazyCommand, LazyGroup
from aisecops_langchain.cli.output import CommandError

_COMMANDS: Final = {
    "approvals": LazyCommand("aisecops_langchain.cli.approvals:approvals_group", "See and answer what waits."),
    "audit": LazyCommand(
        "aisecops_langchain.cli.audit:audit_group", "Check that a log is untouched, and the ledger with it."
    ),
    "demo": LazyCommand(
        "aisecops_langchain.cli.demo:demo", "Run a governed agent over documents that ship along.", "demo"
    ),
    "drift": LazyCommand("aisecops_langchain.cli.drift:drift_command", "Decide history again under other policies."),
    "effects": LazyCommand("aisecops_langchain.cli.effects:effects_group", "List effects and settle unknown ones."),
    "eval": LazyCommand("aisecops_langchain.cli.eval:eval_group", "Judge the layer with published suites.", "eval"),
    "evidence": LazyCommand(
        "aisecops_langchain.cli.evidence:evidence_group", "Pack one run for others, and check such a package."
    ),
    "grants": LazyCommand(
        "aisecops_langchain.cli.grants:grants_group", "List and revoke what runs without asking again."
    ),
    "parquet": LazyCommand(
        "aisecops_langchain.cli.parquet:parquet_group", "Write a log as Parquet, and read it there with Spark."
    ),
    "policy": LazyCommand("aisecops_langchain.cli.policy:policy_group", "Check, test and compare policy bundles."),
    "quarantine": LazyCommand(
        "aisecops_langchain.cli.quarantine:quarantine_group", "Read and delete content that was withheld."
    ),
    "query": LazyCommand("aisecops_langchain.cli.query:query_command", "Ask the log in SQL.", "query"),
    "replay": LazyCommand("aisecops_langchain.cli.replay:replay_group", "Tell from the log what a run did, and why."),
    "scan": LazyCommand("aisecops_langchain.cli.scan:scan_command", "Inspect texts as untrusted content."),
    "serve": LazyCommand("aisecops_langchain.cli.serve:serve_command", "Serve a log as a page and an API.", "ui"),
    "stop": LazyCommand("aisecops_langchain.cli.stop:stop_group", "Stop a run, an agent or a tenant."),
    "tools": LazyCommand("aisecops_langchain.cli.tools:tools_group", "Pin tool definitions, and see what changed."),
    "watch": LazyCommand("aisecops_langchain.cli.watch:watch_command", "Follow a log while it is written."),
}

_YOUNG: Final = 100_000
"""Objects made before the garbage collector looks for cycles: a start makes many objects that all stay."""

_EXIT_CODES: Final = "Exit codes: 0 yes, 1 looked at and no, 2 could not be looked at."

cli = LazyGroup(
    name="aisecops",
    lazy=_COMMANDS,
    about="Runtime governance for LangChain and LangGraph agents.",
    epilog=_EXIT_CODES,
)
cli = click.version_option(__version__, prog_name="aisecops")(cli)


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # Plugins of other packages have no business in a command that judges logs, and looking for them delays its start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(_YOUNG)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an ASCII terminal must not make a log unreadable
    try:
        cli.main(prog_name="aisecops")
    except OSError as error:  # a reader that goes away is click's; this is a full disk, a file that vanished
        _give_up(error)
    raise SystemExit(0)


def _give_up(error: OSError) -> NoReturn:
    where = f" {error.filename}" if error.filename is not None else ""
    failure = CommandError(f"a file cannot be used:{where} {error.strerror or type(error).__name__}")
    with suppress(OSError):
        failure.show()
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left to flush would fail once more
    raise SystemExit(failure.exit_code)
