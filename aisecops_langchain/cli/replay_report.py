"""``aisecops replay report``: one run as one HTML file, for people who have neither the log nor this package.

Invariant: the file says on top if the log did not verify, runs nothing and fetches nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from aisecops_langchain.cli.replay_options import logs_argument


@click.command("report")
@click.argument("trace", metavar="TRACE")
@logs_argument
@click.option(
    "-o",
    "--output",
    "--out",
    "out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write.",
)
def report_command(*, trace: str, paths: tuple[Path, ...], out: Path) -> None:
    """Write one run as one HTML file. Needs the extra ``ui``.

    Exit code 1 if the log does not verify or cannot be read whole; the file is written and says so.
    """
    from aisecops_langchain.cli.output import CommandError, UnsoundError
    from aisecops_langchain.cli.source import load_log

    report_of, standing_of = _parts()
    began = datetime.now(UTC)
    log = load_log(*paths, trace=trace)
    if len(log.parts) > 1:
        raise CommandError("a report is about one log; expected: one PATH")
    (part,) = log.parts
    standing = standing_of(part.report, at=began, unreadable=part.unreadable, alarms=(), again=False)
    text = report_of(log.traces[0], standing, written=began, delegations=log.delegations)
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{out.name} cannot be written: {type(error).__name__}") from error
    click.echo(f"The run was written to {out}.")
    if standing.state != "sound":
        raise UnsoundError(standing.notice)


def _parts() -> tuple[Any, Any]:
    """Load what makes a report; the rest of ``replay`` works without its packages."""
    from aisecops_langchain.cli.output import CommandError

    try:
        from aisecops_langchain.web.report import report_of
        from aisecops_langchain.web.standing import standing_of
    except ModuleNotFoundError as error:
        raise CommandError(
            f"a report needs the module {error.name}, which is not installed; do: pip install 'aisecops-langchain[ui]'"
        ) from error
    return report_of, standing_of
