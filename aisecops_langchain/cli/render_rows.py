"""Shows the rows of an answer to people: as a table where it fits, else row by row.

Invariant: no cell is cut, and nothing in one is obeyed by a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from aisecops_langchain.cli.render_log import line

_GAP: Final = 2
_NARROWEST: Final = 16
"""Columns that a cell may be folded to; a table that needs narrower ones is shown row by row."""


def show_rows(out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show rows.

    Args:
        out: Where to.
        columns: Names of the columns.
        rows: The cells of each row, as text.
    """
    if _needed(columns, rows) <= out.width:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(line(column), overflow="fold")
        for row in rows:
            table.add_row(*map(line, row))
        out.print(table)
        return
    for number, row in enumerate(rows, 1):
        out.print(line(f"row {number}", "bold"))
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for column, cell in zip(columns, row, strict=True):
            table.add_row(line(f"  {column}"), line(cell))
        out.print(table)


def _needed(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Least width at which every column is as wide as its longest cell, or wide enough to fold it."""
    longest = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    return sum(min(width, _NARROWEST) + _GAP for width in longest)
