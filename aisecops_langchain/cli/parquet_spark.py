"""``aisecops parquet summary`` and ``drift``: what Apache Spark tells of a log in Parquet.

Invariant: the answers and exit codes of ``replay summary`` and ``drift``; that the files were not verified is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.drift import fail_on_option, show_judged, write_files
from aisecops_langchain.cli.output import CommandError
from aisecops_langchain.cli.source_policy import FILE, load

# At the top, so that the missing extra is named before anything is read.
from aisecops_langchain.forensics.spark import drift_of_parquet, open_parquet, overview_of_parquet

if TYPE_CHECKING:
    from aisecops_langchain.forensics.overview import TraceRow


@click.command("summary")
@click.argument("place")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
def summary_command(*, place: str, as_json: bool) -> None:
    """Sum up every run of the log at PLACE, a folder or any address that Spark can read."""
    from aisecops_langchain.cli.output import console, print_json
    from aisecops_langchain.cli.render_log import line, show_verdict
    from aisecops_langchain.cli.render_summary import show_overview
    from aisecops_langchain.cli.source import log_json
    from aisecops_langchain.forensics.parquet import NOT_VERIFIED

    log = open_parquet(place)
    rows, verified = overview_of_parquet(log), log.manifest.verified
    if as_json:
        print_json({"log": log_json(place, verified), "note": NOT_VERIFIED, "traces": [*map(_plain, rows)]})
        return
    out = console()
    show_verdict(out, verified)
    out.print(line(f"Note: {NOT_VERIFIED}.", "yellow"))
    show_overview(out, rows, None)


@click.command("drift")
@click.argument("place")
@click.option("--policy", "policies", multiple=True, type=FILE, help="A bundle to decide under.")
@click.option("--recorded", multiple=True, type=FILE, help="A bundle that decided: it must do so again.")
@fail_on_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write the result as JUnit XML, too.")
@click.option("--sarif", type=click.Path(path_type=Path), help="Write the result as SARIF 2.1.0, too.")
def drift_command(
    *,
    place: str,
    policies: tuple[Path, ...],
    recorded: tuple[Path, ...],
    fail_on: tuple[str, ...],
    as_json: bool,
    junit: Path | None,
    sarif: Path | None,
) -> None:
    """Decide every recorded request of the log at PLACE again under other bundles."""
    from aisecops_langchain.cli.drift_gate import Judged
    from aisecops_langchain.forensics.drift.proposal import Uses
    from aisecops_langchain.forensics.parquet import NOT_VERIFIED

    if not policies and not recorded:
        raise CommandError("nothing to decide under; expected: --policy or --recorded with a bundle")
    loaded, known = [load(file) for file in policies], [load(file) for file in recorded]
    log = open_parquet(place)
    report = drift_of_parquet(log, loaded, known)
    if not report.decisions:
        raise CommandError("the log holds no decision that can be read; expected: at least one")
    judged = Judged(
        place=place,
        verified=log.manifest.verified,
        unreadable=0,
        report=report.model_copy(update={"caveats": (*report.caveats, NOT_VERIFIED)}),
        files=policies,
        fail_on=frozenset(fail_on),
        uses=Uses(),
    )
    write_files(judged, junit, sarif)
    show_judged(judged, as_json=as_json)
    if judged.failures:
        raise SystemExit(1)


def _plain(row: TraceRow) -> dict[str, object]:
    return {**row._asdict(), "started": row.started.isoformat()}
