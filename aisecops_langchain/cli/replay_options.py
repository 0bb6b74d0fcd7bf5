"""Arguments and options that the replay commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

logs_argument: Final = click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
trace_option: Final = click.option("--trace", "trace_id", metavar="ID", help="Only this trace.")
as_json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
limit_option: Final = click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=2_000,
    show_default=True,
    help="Most nodes of a graph; what is left out is said on top.",
)
