"""``aisecops demo``: a governed agent at work, an attack on it, and what the log says about both.

Invariant: exit code 0 only if the run completed and its log verifies; with ``--json``, standard output holds exactly
one object. With a real model, nothing is approved unless a person or ``--approve`` says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from aisecops_langchain.cli.render_demo import Stage
    from aisecops_langchain.cli.source import LoadedLog
    from aisecops_langchain.demo.approval import Ask, Question
    from aisecops_langchain.demo.run import Place
    from aisecops_langchain.forensics.summary import Summary
    from aisecops_langchain.forensics.trace import Trace

_HOME: Final = Path(".aisecops") / "demo"


@click.command("demo")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HOME,
    show_default=True,
    help="Directory for log, ledger, keys, checkpoints and books; every run adds to it.",
)
@click.option("--model", metavar="PROVIDER:NAME", help="A real model, by LangChain's name. [default: a scripted one]")
@click.option("--ask", is_flag=True, help="Ask me to approve what needs approval.")
@click.option("--approve", is_flag=True, help="Approve whatever needs approval; the default with the scripted model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def demo(
    context: click.Context, *, home: Path, model: str | None, ask: bool, approve: bool, as_json: bool
) -> None:
    """Watch a governed purchasing agent that fell for a forged letter, and read what the log says."""
    from aisecops_langchain.demo.extra import require_demo

    if ask and approve:
        raise click.UsageError("--ask and --approve exclude each other")
    require_demo()
    from aisecops_langchain.cli.render_demo import Stage
    from aisecops_langchain.demo.run import prepare, run

    place = prepare(home)
    stage = Stage(place, quiet=as_json, scripted=model is None)
    stage.open()
    with stage.waiting():
        report = run(place, _asker(stage, ask=ask, approve=approve or model is None), model_name=model)
    log, trace = _read(place)
    stage.close(log, trace, report)
    summary = _summary(trace)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(_facts(place, log, summary))
    context.exit(0 if log.report.ok and summary.outcome == "completed" else 1)
