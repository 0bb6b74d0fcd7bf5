"""Shows a timeline to people.

Invariant: one row per event; text from the log is never interpreted as markup or terminal control.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from aisecops_langchain.cli.render_log import line
from aisecops_langchain.cli.render_summary import show_problems
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.text import name
from aisecops_langchain.forensics.timeline import TimelineEntry
from aisecops_langchain.forensics.trace import Trace

_ALARMING: Final = frozenset(
    {
        "content_blocked",
        "prompt_blocked",
        "output_blocked",
        "plan_rejected",
        "capability_blocked",
        "policy_blocked",
        "approval_rejected",
        "approval_expired",
        "execution_blocked",
        "execution_failed",
        "execution_unknown",
        "execution_retried",
        "execution_late",
        "model_failed",
        "tool_failed",
        "retrieval_failed",
    }
)


def show_timeline(out: Console, trace: Trace, entries: Sequence[TimelineEntry], problems: Sequence[Problem]) -> None:
    """Show a trace event by event.

    Args:
        out: Where to.
        trace: The trace.
        entries: Its timeline.
        problems: What it fails to account for.
    """
    out.print(line(f"Trace {name(trace.id)}, thread {name(trace.thread)}, {len(entries)} events", "bold"))
    show_problems(out, problems)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("what happened", overflow="fold")
    table.add_column("took ms", justify="right", no_wrap=True)
    for entry in entries:
        style = "yellow" if entry.kind in _ALARMING else ""
        took = "" if entry.duration_ms is None else f"{entry.duration_ms:.1f}"
        table.add_row(line(f"{entry.offset_ms:.1f}"), line(entry.stage), line(entry.text, style), line(took))
    out.print(table)
