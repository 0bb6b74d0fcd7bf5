"""Shows differences to people.

Invariant: violations come first, and text from the log is never interpreted as markup or terminal control.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from aisecops_langchain.cli.render_log import line
from aisecops_langchain.cli.render_summary import show_problems
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.forensics.diff import ChangedStep, RunDiff, Step, Verdict, WithinRun
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.text import call_text, name, names, short
from aisecops_langchain.forensics.trace import Trace


def show_within(out: Console, trace: Trace, found: Sequence[WithinRun], problems: Sequence[Problem]) -> None:
    """Show what became of every call of a run.

    Args:
        out: Where to.
        trace: The run.
        found: Its calls.
        problems: What its record fails to account for.
    """
    out.print(line(f"Trace {name(trace.id)}, {len(found)} calls", "bold"))
    for item in found:
        for departure in item.departures:
            what = departure.value.replace("_", " ")
            out.print(line(f"VIOLATION: {_call(item.step)} was {what}", "bold red"))
    show_problems(out, problems)
    table = _table("call", "planned", "decided", "permitted", "executed", "effect", "verdict")
    for item in found:
        step = item.step
        cells = (
            _call(step),
            _digests(step.planned),
            ", ".join(f"{short(made.call)} {made.effect.value}" for made in step.decided) or "-",
            _digests(tuple(permit.call for permit in step.permitted)),
            _digests(step.executed),
            step.state.value if step.state is not None else "-",
            item.verdict.value.replace("_", " "),
        )
        style = "bold red" if item.verdict is Verdict.VIOLATION else ""
        table.add_row(*(line(cell, style) for cell in cells))
    out.print(table)


def show_runs(out: Console, found: RunDiff) -> None:
    """Show how two runs differ.

    Args:
        out: Where to.
        found: The difference.
    """
    for note in found.notes:
        out.print(line(note, "bold red"))
    first, second = found.first, found.second
    table = _table("", name(first.trace), name(second.trace))
    rows = (
        ("agent", name(first.agent), name(second.agent)),
        ("user", name(first.user), name(second.user)),
        ("policies", ", ".join(map(short, first.policies)), ", ".join(map(short, second.policies))),
        ("models", names(first.models), names(second.models)),
        ("outcome", first.outcome, second.outcome),
        ("read only here", names(item.name for item in first.sources), names(item.name for item in second.sources)),
    )
    for row in rows:
        table.add_row(*(line(cell, "" if row[1] == row[2] else "yellow") for cell in row))
    out.print(table)
    alone = f"{len(found.only_first)} only in the first, {len(found.only_second)} only in the second"
    out.print(line(f"Steps: {found.same} the same, {len(found.changed)} changed, {alone}; {found.flipped} flipped"))
    for changed in found.changed:
        _show_changed(out, changed)
    for sign, items in (("-", found.only_first), ("+", found.only_second)):
        for item in items:
            step = item.first or item.second
            out.print(line(f"{sign} {_call(step)}: {_became(step)}" if step is not None else sign))
    for which, steps in (("first", found.effects_only_first), ("second", found.effects_only_second)):
        for step in steps:
            out.print(line(f"Effect only in the {which} run: {_call(step)}: {_became(step)}", "bold yellow"))


def _show_changed(out: Console, item: ChangedStep) -> None:
    out.print(line(f"~ {name(item.tool)}"))
    for change in item.arguments:
        note = " (withheld; commitments of two governance homes always differ)" if change.withheld else ""
        out.print(line(f"    {change.argument}: {change.first} -> {change.second}{note}"))
    if item.decision is not None:
        before, after = (_effect(effect) for effect in item.decision)
        out.print(line(f"    decision: {before} -> {after}", "yellow"))
    if item.rules is not None:
        out.print(line(f"    rules: {names(item.rules[0]) or '-'} -> {names(item.rules[1]) or '-'}"))
    if item.effect is not None:
        before, after = (state.value if state is not None else "none" for state in item.effect)
        out.print(line(f"    effect: {before} -> {after}", "yellow"))


def _call(step: Step) -> str:
    return call_text(step.tool, step.arguments)


def _became(step: Step) -> str:
    decided = _effect(step.final.effect if step.final is not None else None)
    return f"{decided}, {step.state.value}" if step.state is not None else decided


def _effect(effect: Effect | None) -> str:
    return "not decided" if effect is None else effect.value


def _digests(digests: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(map(short, digests))) or "-"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
