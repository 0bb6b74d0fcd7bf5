"""``aisecops query``: ask the log in SQL.

Invariant: whether the log verifies is said before any row; a log that does not makes exit code 1. What is printed
carries nothing that a terminal would obey, and a cell of CSV nothing that a spreadsheet would compute.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

# At the top, so that the missing extra is named before anything is read.
from aisecops_langchain.forensics.sql import Answer, LogQuery

if TYPE_CHECKING:
    from aisecops_langchain.audit import VerifyReport

_MOST_EXACT: Final = 2**53
_COMPUTED: Final = ("=", "+", "-", "@", "\t", "\r")


@click.command("query")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.argument("question")
@click.option("--json", "form", flag_value="json", help="Print one JSON object for programs.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV; the verdict on the log goes to standard error.")
@click.option("--parquet", type=click.Path(path_type=Path), help="Write the answer to this file; it must not exist.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Most rows to show to a person."
)
@click.pass_context
def query_command(
    context: click.Context, *, path: Path, question: str, form: str | None, parquet: Path | None, limit: int
) -> None:
    """Ask the log one SELECT over: events, decisions, approvals, effects, findings, lines, raw."""
    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.cli.source import find_log, log_json

    log = find_log(path)
    report = verify_log(log)
    if form != "json":
        _say_verdict(report, to_errors=form == "csv")
    with LogQuery(log, output=parquet) as engine:
        if parquet is not None:
            engine.export(question)
            answer = Answer((), iter(()))
        else:
            answer = engine.ask(question)
        if form == "json":
            from aisecops_langchain.cli.output import print_json

            rows = [[_plain(value) for value in row] for row in answer.rows]
            print_json({"log": log_json(log, report), "columns": list(answer.columns), "rows": rows})
        elif form == "csv":
            _print_csv(answer)
        elif parquet is None:
            _show(answer, limit)
    context.exit(0 if report.ok else 1)


def _say_verdict(report: VerifyReport, *, to_errors: bool) -> None:
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import show_verdict

    out = console()
    if to_errors:
        out.file = sys.stderr
    show_verdict(out, report)


def _show(answer: Answer, limit: int) -> None:
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import line
    from aisecops_langchain.cli.render_rows import show_rows

    rows: Iterator[tuple[object, ...]] = answer.rows
    out = console()
    shown = [[_text(value) for value in row] for row in islice(rows, limit)]
    show_rows(out, answer.columns, shown)
    if next(rows, None) is not None:
        out.print(
            line(f"and more than these {limit} rows; see more with --limit, or all with --json or --csv", "yellow")
        )


def _print_csv(answer: Answer) -> None:
    from aisecops_langchain.cli.output import one_line

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([_cell(one_line(column)) for column in answer.columns])
    for row in answer.rows:
        writer.writerow([_cell(one_line(value)) if isinstance(value, str) else one_line(_text(value)) for value in row])


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_COMPUTED) else text


def _text(value: object) -> str:
    plain = _plain(value)
    return "" if plain is None else plain if isinstance(plain, str) else str(plain)


def _plain(value: object) -> object:
    """Turn what DuckDB gives into plain JSON; what JSON cannot say exactly becomes text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MOST_EXACT else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)  # noqa: PLR0124 - NaN
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
