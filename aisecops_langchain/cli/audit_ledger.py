"""``aisecops audit ledger``: hold the ledger of a home against its log.

Invariant: exit code 0 only for a log that verifies and a ledger that holds all that this log tells of; 1 if either is
not so; 2 for anything that could not be compared. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aisecops_langchain.cli.home import home_options
from aisecops_langchain.cli.keys import pinned_keys
from aisecops_langchain.cli.output import one_line

if TYPE_CHECKING:
    from aisecops_langchain.audit import VerifyReport
    from aisecops_langchain.runtime.ledger.crosscheck import CrossCheck, Finding

_WORDS: Final = {
    "missing": "is gone",
    "older": "is older than the log tells",
    "replaced": "was taken away, and the call permitted anew",
    "edited": "does not carry our seal",
}
_ROWS: Final = {"effects": "effect", "approvals": "approval", "grants": "grant", "stops": "register of stops"}


@click.command("ledger")
@click.option(
    "--key",
    "keys",
    metavar="FILE_OR_HEX",
    multiple=True,
    help="A trusted public key of the log, as for aisecops audit verify. May be given several times.",
)
@home_options(default=Path(".aisecops"))
@click.pass_context
def ledger_command(
    context: click.Context, *, keys: tuple[str, ...], home: Path, ledger: str | None, schema: str, as_json: bool
) -> None:
    """Check that the ledger holds what the log tells of.

    A row that was deleted leaves no trace in the ledger, and one that was put back carries a good seal; the log
    remembers both. Every effect that was begun, approval, grant and stop of the log is looked up.
    """
    from datetime import UTC, datetime

    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.cli.source import LOG_FOLDER
    from aisecops_langchain.runtime.home import open_home
    from aisecops_langchain.runtime.ledger.crosscheck import crosscheck
    from aisecops_langchain.runtime.ledger.told import told_in

    log = home / LOG_FOLDER
    with open_home(home, ledger=ledger, schema=schema) as parts:
        told = told_in(log)
        found = crosscheck(told, parts.ledger, parts.sealer, now=datetime.now(UTC))
    report = verify_log(log, public_keys=pinned_keys(keys) if keys else None)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(_as_json(log, report, told.unreadable, found))
    else:
        _show(report, told.unreadable, found)
    context.exit(0 if report.ok and found.ok else 1)


def _as_json(log: Path, report: VerifyReport, unreadable: int, found: CrossCheck) -> dict[str, Any]:
    from dataclasses import asdict

    from aisecops_langchain.cli.source import log_json

    return {
        "ok": report.ok and found.ok,
        "log": log_json(log, report, unreadable=unreadable),
        "expected": {table.value: count for table, count in found.expected.items()},
        "findings": [asdict(finding) for finding in found.findings],
        "unused_permits_without_row": found.unused,
    }


def _show(report: VerifyReport, unreadable: int, found: CrossCheck) -> None:
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import line, show_verdict

    out = console()
    show_verdict(out, report, unreadable=unreadable)
    told = ", ".join(f"{count} {name}" for name, count in found.expected.items())
    if found.ok:
        out.print(line(f"The ledger holds all that the log tells of: {told}.", "green"))
    else:
        count = len(found.findings)
        out.print(line(f"THE LEDGER LACKS {count} OF WHAT THE LOG TELLS OF: {told}.", "bold red"))
    for text in (text for finding in found.findings for text in _lines(finding)):
        out.print(line(text, "red"))
    if found.unused:
        text = f"{found.unused} permits that were never used have no row; a loss of power takes them, and nothing ran."
        out.print(line(text, "yellow"))


def _lines(finding: Finding) -> Iterator[str]:
    by = finding.by
    yield one_line(f"  {_ROWS[finding.table]} {finding.key} {_WORDS[finding.fault]}: {by.about}")
    yield one_line(f"    told by event {by.event}, trace {by.trace}, thread {by.thread}")
