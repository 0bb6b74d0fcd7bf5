"""``aisecops demo``: a governed agent at work, an attack on it, and what the log says about both.

Invariant: exit code 0 only if the run completed and its log verifies; with ``--json``, standard output holds exactly
one object. With a real model, nothing is approved unless a person or ``--approve`` says so.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

    from aisecops_langchain.cli.source import LoadedLog
    from aisecops_langchain.demo.approval import Answer, Question
    from aisecops_langchain.demo.run import Place
    from aisecops_langchain.demo.story import Line
    from aisecops_langchain.forensics.summary import Summary
    from aisecops_langchain.forensics.trace import Trace

_HOME: Final = Path(".aisecops") / "demo"
_WIDTH: Final = 80
"""Columns where the output is not a terminal."""

_NOBODY_ASKED: Final = "nobody was asked; --ask asks the person at the terminal"


@click.command("demo")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=_HOME,
    show_default=True,
    help="Directory for log, ledger, keys, checkpoints and books; every run adds to it.",
)
@click.option("--model", metavar="PROVIDER:NAME", help="A real model, by LangChain's name. [default: a scripted one]")
@click.option("--ask", is_flag=True, help="Ask me about every call that needs approval.")
@click.option("--approve", is_flag=True, help="Approve whatever needs approval; the default with the scripted model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")
@click.pass_context
def demo(context: click.Context, *, home: Path, model: str | None, ask: bool, approve: bool, as_json: bool) -> None:
    """Watch a governed purchasing agent whose model obeys a forged letter, and read what the log says."""
    from aisecops_langchain.demo.extra import require_demo

    if ask and approve:
        raise click.UsageError("--ask and --approve exclude each other")
    require_demo()
    from aisecops_langchain.demo.model import build_model
    from aisecops_langchain.demo.run import prepare, run
    from aisecops_langchain.forensics.summary import summarize

    planner = build_model(model)
    place = prepare(home)
    stage = _Stage(place, _console(as_json=as_json, ask=ask), ask=ask, approve=approve or model is None)
    stage.open(model)
    report = run(place, planner, stage.answer)
    log, trace = stage.catch_up()
    summary = summarize(trace)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        print_json(_facts(log, summary))
    else:
        from aisecops_langchain.cli.render_demo import show_ending, show_way_on

        hushed = model is None and bool(summary.denied)
        show_ending(stage.out, answer=report.answer, hushed=hushed, books=report.books)
        _show_log(stage.out, place, log, trace, summary)
        show_way_on(stage.out, place)
    context.exit(0 if log.parts[0].report.ok and summary.outcome == "completed" else 1)


@dataclass
class _Stage:
    """Tells a run while it goes on, and answers for whoever approves.

    Invariant: what happened is told once, before anybody is asked about what comes next.
    """

    place: Place
    out: Console
    ask: bool
    approve: bool
    """Whether the demo may say yes in somebody's place."""
    told: set[Line] = field(default_factory=set)

    def open(self, model: str | None) -> None:
        """Say what is about to happen."""
        from aisecops_langchain.cli.render_demo import show_opening
        from aisecops_langchain.demo.model import REQUEST
        from aisecops_langchain.demo.run import PRINCIPAL
        from aisecops_langchain.demo.search import documents

        show_opening(self.out, documents=len(documents()), model=model, user=PRINCIPAL.user, request=REQUEST)

    def catch_up(self) -> tuple[LoadedLog, Trace]:
        """Tell what was not told yet, and return the log as it is now."""
        from aisecops_langchain.cli.render_demo import show_story
        from aisecops_langchain.demo.story import tell

        log, trace = _read(self.place)
        lines = tell(trace)
        show_story(self.out, [item for item in lines if item not in self.told])
        self.told.update(lines)
        return log, trace

    def answer(self, question: Question) -> Answer:
        """Show a question, and answer it or have it answered."""
        from aisecops_langchain.cli.render_demo import show_answer, show_question

        self.catch_up()
        show_question(self.out, question)
        answer = self._answer()
        show_answer(self.out, answer, played=self.approve and not self.ask)
        return answer

    def _answer(self) -> Answer:
        from aisecops_langchain.demo.approval import STAND_IN, Answer

        if self.ask:
            approved = click.confirm("  Do you approve?", default=False, err=True)
            return Answer(approved=approved, by="terminal-user", reason="" if approved else "answered no")
        if self.approve:
            return Answer(approved=True, by=STAND_IN)
        return Answer(approved=False, by="nobody", reason=_NOBODY_ASKED)


def _console(*, as_json: bool, ask: bool) -> Console:
    """Make the console for people; beside ``--json`` it is standard error, and silent unless somebody is asked."""
    from aisecops_langchain.cli.output import console

    out = console()
    if as_json:
        out.file, out.quiet = sys.stderr, not ask
    if not out.is_terminal:
        out.width = _WIDTH
    return out


def _read(place: Place) -> tuple[LoadedLog, Trace]:
    """Read the log, and the one trace in it that belongs to this run."""
    from aisecops_langchain.cli.source import load_log

    log = load_log(place.audit)
    return log, next(trace for trace in reversed(log.traces) if trace.thread == place.thread)


def _facts(log: LoadedLog, summary: Summary) -> dict[str, object]:
    from aisecops_langchain.domain.permit import ApprovalState

    granted = [item for item in summary.approvals.requests if item.state is ApprovalState.GRANTED]
    return {
        "audit": str(log.parts[0].path),
        "outcome": summary.outcome.value,
        "events": log.parts[0].report.events,
        "verified": log.parts[0].report.ok,
        "denied": [
            item.model_dump(mode="json", include={"tool", "call_id", "stage", "code", "reason"})
            for item in summary.denied
        ],
        "approved": [
            {
                **item.model_dump(mode="json", include={"tool", "call_id", "call"}),
                "by": item.approver.id if item.approver else "",
            }
            for item in granted
        ],
        "executed": [
            item.model_dump(mode="json", include={"tool", "call_id", "call", "state"})
            for item in summary.effects
            if item.starts
        ],
    }


def _show_log(out: Console, place: Place, log: LoadedLog, trace: Trace, summary: Summary) -> None:
    """Show what three other commands would, and which."""
    from aisecops_langchain.cli.render_demo import show_title
    from aisecops_langchain.cli.render_log import show_verdicts
    from aisecops_langchain.cli.render_summary import show_summary
    from aisecops_langchain.cli.render_timeline import show_timeline
    from aisecops_langchain.forensics.timeline import timeline

    home = shlex.quote(str(place.home))
    chosen = f"{home} --trace {trace.id}" if len(log.traces) > 1 else home
    show_title(out, f"$ aisecops audit verify {home}")
    show_verdicts(out, log)
    show_title(out, f"$ aisecops replay summary {chosen}")
    show_summary(out, summary)
    show_title(out, f"$ aisecops replay timeline {chosen}")
    show_timeline(out, trace, timeline(trace), summary.problems)
