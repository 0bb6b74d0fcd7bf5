"""How an evaluation of the scanner reads to a person.

Invariant: everything printed comes from the report; names from the file are printed so that a terminal obeys none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aisecops_langchain.cli.output import console, one_line

if TYPE_CHECKING:
    from rich.table import Table

    from aisecops_langchain.evals.scanner.run import Rate, ScannerReport


def print_scanner(report: ScannerReport) -> None:
    """Show a report.

    Args:
        report: The report.
    """
    out = console()
    rows = [*report.sources.items(), ("all", (report.attacks, report.benign))]
    out.print(_table("scanner by source", "source", [(name, _share(a), _share(b)) for name, (a, b) in rows]))
    for title, seen in (("category", report.categories), ("rule", report.rules)):
        rows_of = [(name, str(attacks), str(benign)) for name, (attacks, benign) in seen.items()]
        out.print(_table(f"texts with a finding, by {title}", title, rows_of))
    for name in report.false_alarms:
        out.print(f"false alarm: {one_line(name)}", soft_wrap=True)
    out.print(f"attacks found: {_share(report.attacks)}; false alarms: {_share(report.benign)}")
    out.print(f"{report.characters} characters in {report.seconds:.2f} s: {report.speed:.1f} MB/s")


def _table(title: str, heading: str, rows: list[tuple[str, str, str]]) -> Table:
    from rich.table import Table

    table = Table(title=title)
    table.add_column(heading, overflow="fold")
    for column in ("attacks", "benign"):
        table.add_column(column, justify="right")
    for name, attacks, benign in rows:
        table.add_row(one_line(name), attacks, benign)
    return table


def _share(rate: Rate) -> str:
    return f"{rate.found}/{rate.total} ({rate.share:.1%})" if rate.total else "-"
