"""``aisecops eval``: judge the governance layer with published suites.

Invariant: exit code 0 only if every task kept its utility and the audit log of the run verifies; with ``--json``,
standard output holds exactly one object.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aisecops_langchain.evals.agentdojo.report import Report
    from aisecops_langchain.evals.agentdojo.run import Options


@click.group("eval")
def eval_group() -> None:
    """Run attack and utility suites through governed agents."""


@eval_group.command("agentdojo")
@click.option("--planner", type=click.Choice(["benign"]), required=True, help="Who proposes the calls.")
@click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Choice(["workspace", "travel", "banking", "slack"]),
    help="Only this suite; may be given several times. [default: all]",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for audit log, ledger and keys. [default: a new one under .aisecops/agentdojo]",
)
@click.option(
    "--policy",
    type=click.Path(exists=True, path_type=Path),
    help="A policy file, or a directory with SUITE.yaml files. [default: allow every tool of the suite]",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="CPU count", help="Processes."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def agentdojo(
    context: click.Context,
    *,
    planner: str,
    suites: tuple[str, ...],
    home: Path | None,
    policy: Path | None,
    jobs: int,
    as_json: bool,
) -> None:
    """Run the 97 user tasks of AgentDojo v1.2.2 and check that they keep their utility."""
    from aisecops_langchain.evals.agentdojo.extra import require_agentdojo

    require_agentdojo()
    from aisecops_langchain.evals.agentdojo.run import Options

    options = Options(planner=planner, suites=suites, home=home or _new_home(), policy=policy, jobs=jobs)
    report = _evaluate(options, quiet=as_json)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(report.to_json())
    else:
        _print(report)
    context.exit(0 if report.succeeded else 1)


def _new_home() -> Path:
    """Name a directory by the time, so that the log that is verified is the log of this run alone."""
    return Path(".aisecops") / "agentdojo" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _evaluate(options: Options, *, quiet: bool) -> Report:
    """Run, showing progress on standard error unless asked to be quiet."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from aisecops_langchain.evals.agentdojo.run import evaluate

    columns = (TextColumn("AgentDojo"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        bar = progress.add_task("tasks", total=None)
        return evaluate(options, on_batch=lambda done, total: progress.update(bar, completed=done, total=total))


def _print(report: Report) -> None:
    """Show the report to a person."""
    from rich.table import Table

    from aisecops_langchain.cli.output import console, one_line

    table = Table(title=f"AgentDojo v1.2.2, {report.planner} planner")
    table.add_column("suite")
    for heading in ("utility kept", "calls run", "calls not run"):
        table.add_column(heading, justify="right")
    for name, score in [*report.suites().items(), ("all", report.total)]:
        table.add_row(name, f"{score.ok}/{score.total}", str(score.executed), str(score.refused))
    out = console()
    out.print(table)
    for failed in report.failures:
        out.print(one_line(f"failed: {failed.suite}/{failed.task}: {failed.reason} (trace {failed.trace or 'none'})"))
    audit = report.audit
    verdict = "verifies" if audit.verified else "DOES NOT VERIFY"
    out.print(f"audit log {verdict}: {audit.events} events in {audit.segments} segments, {report.seconds:.1f} s")
    out.print(one_line(str(audit.path)), soft_wrap=True)
