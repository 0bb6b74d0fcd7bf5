"""The options by which operators' commands name a governance home and its ledger.

Invariant: the URL of a shared ledger may come from the environment, so that no credential has to stand in a command.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def home_options(*, default: Path | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options ``--home``, ``--ledger``, ``--schema`` and ``--json``.

    Args:
        default: The home where none is named; without it, one must be.

    Returns:
        A decorator; the command takes ``home``, ``ledger``, ``schema`` and ``as_json``.
    """
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    which: dict[str, Any] = {"required": True} if default is None else {"default": default, "show_default": True}
    home = click.option("--home", type=folder, help="Governance home.", **which)
    ledger = click.option(
        "--ledger",
        envvar="AISECOPS_LEDGER_URL",
        default=None,
        metavar="URL",
        help="PostgreSQL ledger of the home; better in AISECOPS_LEDGER_URL, because others can see a command.",
    )
    schema = click.option("--schema", default="aisecops", show_default=True, help="Schema of that ledger.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
    return lambda command: home(ledger(schema(as_json(command))))
