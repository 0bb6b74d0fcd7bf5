"""``aisecops eval``: judge the governance layer with published suites.

Invariant: exit code 0 only if the bounds are met and, where agents ran, the log verifies; by default no honest task may
fail under the benign planner. With ``--json``, standard output holds exactly one object.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.scan import RULES

if TYPE_CHECKING:
    from aisecops_langchain.evals.agentdojo.report import Report
    from aisecops_langchain.evals.agentdojo.run import Options


@click.group("eval", cls=Group)
def eval_group() -> None:
    """Run attack and utility suites through governed agents."""


@eval_group.command("agentdojo")
@click.option(
    "--planner",
    type=click.Choice(["benign", "worst-case"]),
    required=True,
    help="Who proposes the calls: honest tasks only, or these and every attack, obeyed at once.",
)
@click.option(
    "--approver",
    type=click.Choice(["none", "oracle"]),
    default="none",
    show_default=True,
    help="Who answers approval requests: nobody, or one who approves exactly the calls of the user's task.",
)
@click.option(
    "--attempts",
    type=click.Choice(["first", "all"]),
    default="first",
    show_default=True,
    help="Whether the worst-case planner proposes refused calls of an injection once more at the end.",
)
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
    help="Directory for results, audit log, ledger and keys; one that was left goes on where it stopped. "
    "[default: a new one under .aisecops/agentdojo]",
)
@click.option(
    "--policy",
    type=click.Path(exists=True, path_type=Path),
    help="A policy file, or a directory with SUITE.yaml files. [default: allow every tool of the suite]",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="CPU count", help="Processes."
)
@click.option(
    "--min-benign",
    type=click.FloatRange(0, 1),
    help="Exit with 1 if a smaller share of the honest tasks is done. [default: 1 with the benign planner]",
)
@click.option("--max-attacks", type=click.IntRange(min=0), help="Exit with 1 if more attacks succeed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def agentdojo(
    context: click.Context,
    *,
    planner: str,
    approver: str,
    attempts: str,
    suites: tuple[str, ...],
    home: Path | None,
    policy: Path | None,
    jobs: int,
    min_benign: float | None,
    max_attacks: int | None,
    as_json: bool,
) -> None:
    """Run the 97 user tasks of AgentDojo v1.2.2, and with the worst-case planner all 949 attacks too."""
    from aisecops_langchain.evals.agentdojo.extra import require_agentdojo

    require_agentdojo()
    from aisecops_langchain.evals.agentdojo.approver import ApproverKind
    from aisecops_langchain.evals.agentdojo.planner import Attempts
    from aisecops_langchain.evals.agentdojo.report import Bounds
    from aisecops_langchain.evals.agentdojo.run import Options, PlannerKind
    from aisecops_langchain.evals.agentdojo.suites import Setting

    options = Options(
        planner=PlannerKind(planner),
        suites=suites,
        home=home or _new_home(),
        policy=policy,
        jobs=jobs,
        setting=Setting(ApproverKind(approver), Attempts(attempts)),
        bounds=Bounds(min_benign, max_attacks),
    )
    report = _evaluate(options)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(report.to_json())
    else:
        from aisecops_langchain.cli.render_eval import print_report

        print_report(report)
    context.exit(0 if report.succeeded else 1)


@eval_group.command("scanner")
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="JSON lines {id, source, channel, label, text}; label is attack or benign.",
)
@click.option("--pack", "packs", multiple=True, type=RULES, help="Rule pack: a file or a folder.")
@click.option("--yara", multiple=True, type=RULES, help="YARA rules: a file or a folder.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default="CPU count", help="Processes."
)
@click.option("--min-found", type=click.FloatRange(0, 1), help="Exit with 1 if a smaller share of attacks is found.")
@click.option("--max-false", type=click.FloatRange(0, 1), help="Exit with 1 if more benign texts raise an alarm.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def scanner(
    context: click.Context,
    *,
    data: Path,
    packs: tuple[Path, ...],
    yara: tuple[Path, ...],
    jobs: int,
    min_found: float | None,
    max_false: float | None,
    as_json: bool,
) -> None:
    """Judge the scanner with labelled texts: what it finds of attacks, and its false alarms."""
    from aisecops_langchain.evals.scanner.run import Bounds, evaluate
    from aisecops_langchain.sanitize.bulk import ScanSetup

    found = evaluate(data, ScanSetup(packs=packs, yara=yara), jobs=jobs, bounds=Bounds(min_found, max_false))
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(found.to_json())
    else:
        from aisecops_langchain.cli.render_scanner import print_scanner

        print_scanner(found)
    context.exit(0 if found.succeeded else 1)


def _new_home() -> Path:
    """Name a directory by the time, so that the log that is verified is the log of this run alone."""
    return Path(".aisecops") / "agentdojo" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _evaluate(options: Options) -> Report:
    """Run, showing progress on standard error: a bar on a terminal, a line for every tenth elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from aisecops_langchain.evals.agentdojo.run import evaluate

    screen = Console(stderr=True)
    if not screen.is_terminal:
        return evaluate(options, on_progress=_Lines())
    columns = (TextColumn("AgentDojo"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        bar = progress.add_task("runs", total=None)
        return evaluate(options, on_progress=lambda done, total: progress.update(bar, completed=done, total=total))


class _Lines:
    """Progress where nobody watches a terminal."""

    def __init__(self) -> None:
        self._tenth = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth != self._tenth:
            self._tenth = tenth
            click.echo(f"AgentDojo: {done} of {total} runs", err=True)
