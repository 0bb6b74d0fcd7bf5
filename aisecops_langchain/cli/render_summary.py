"""Shows summaries to people.

Invariant: problems come before figures, and text from the log is never interpreted as markup or terminal control.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from aisecops_langchain.cli.render_log import line
from aisecops_langchain.forensics.approvals import ApprovalAsked, ApprovalSummary
from aisecops_langchain.forensics.effects import RecordedState
from aisecops_langchain.forensics.grants import GrantSeen
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.overview import TraceRow
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.summary import Summary
from aisecops_langchain.forensics.text import name, said, short

_STYLES: Final = {
    Outcome.COMPLETED: "green",
    Outcome.STOPPED: "yellow",
    Outcome.PAUSED: "yellow",
    Outcome.UNFINISHED: "red",
    Outcome.FAILED: "red",
    Outcome.BLOCKED: "red",
}


def show_overview(out: Console, traces: Sequence[TraceRow], problems: Sequence[int] | None) -> None:
    """Show many traces, one row each.

    Args:
        out: Where to.
        traces: The traces.
        problems: How many gaps and violations each has; None if nobody looked.
    """
    rows = [
        (
            name(item.trace),
            name(item.agent),
            item.outcome.value,
            _milliseconds(item.duration_ms),
            f"{item.allowed}/{item.asked}/{item.denied}",
            str(item.executed),
            *(() if problems is None else (str(problems[place]),)),
        )
        for place, item in enumerate(traces)
    ]
    headings = ("trace", "agent", "outcome", "took", "allow/ask/deny", "executed")
    _show_table(out, f"{len(rows)} traces", (*headings, "problems") if problems is not None else headings, rows)
    if problems is None:
        out.print(line("In so large a log, gaps and violations are looked for in one trace at a time."))
    out.print(line("Show one with --trace ID."))


def show_summary(out: Console, summary: Summary) -> None:
    """Show one trace.

    Args:
        out: Where to.
        summary: The trace.
    """
    _show_head(out, summary)
    show_problems(out, summary.problems)
    unknown = sum(effect.state is RecordedState.UNKNOWN for effect in summary.effects)
    if unknown:
        out.print(
            line(
                f"Effects that may have happened or not: {unknown}. Nobody saw the end; "
                "find out, and settle each with: aisecops effects resolve",
                "bold yellow",
            )
        )
    events = ", ".join(f"{kind} {count}" for kind, count in summary.events.items())
    out.print(line(f"Events: {events}"))
    _show_table(
        out,
        "Content by trust",
        ("trust", "source", "admitted", "sanitized", "blocked"),
        [
            (item.integrity.value, item.kind.value, str(item.admitted), str(item.sanitized), str(item.blocked))
            for item in summary.sources
        ],
    )
    _show_table(
        out,
        "Findings",
        ("category", "severity", "count"),
        [(name(item.category), name(item.severity), str(item.count)) for item in summary.findings],
    )
    decisions = ", ".join(f"{effect} {count}" for effect, count in summary.decisions.items())
    _show_title(out, f"Decisions: {decisions}")
    _show_table(
        out,
        "Denied calls",
        ("tool", "call", "stage", "code", "reason"),
        [
            (name(item.tool), name(item.call_id), name(item.stage), name(item.code), said(item.reason))
            for item in summary.denied
        ],
    )
    _show_approvals(out, summary.approvals)
    _show_grants(out, summary.grants)
    _show_effects_and_times(out, summary)


def show_problems(out: Console, problems: Sequence[Problem]) -> None:
    """Show what a trace fails to account for.

    Args:
        out: Where to.
        problems: The problems.
    """
    if not problems:
        out.print(line("No gap and no violation in the record of this trace.", "green"))
        return
    out.print(line(f"{len(problems)} GAPS OR VIOLATIONS", "bold red"))
    for problem in problems:
        at = f" (event {short(problem.event)})" if problem.event is not None else ""
        out.print(line(f"  {problem.code}: {problem.message}{at}", "red"))


def _show_head(out: Console, summary: Summary) -> None:
    who = summary.principal
    out.print(line(f"Trace {name(summary.trace)}, thread {name(summary.thread)}", "bold"))
    out.print(line(f"Agent {name(who.agent)} for user {name(who.user)} of tenant {name(who.tenant)}"))
    if summary.delegation is not None:
        sent = summary.delegation
        where = f"in trace {name(sent.parent)}" if sent.parent else "in a run that this log does not hold"
        out.print(line(f"Sent by {name(sent.delegator)} {where}, under warrant {short(sent.warrant)}"))
    for item in summary.delegated:
        out.print(line(f"Sent {name(item.agent)}: trace {name(item.child)}, under warrant {short(item.warrant)}"))
    out.print(line(f"Policy {', '.join(short(policy) for policy in summary.policies)}"))
    why = f": {said(summary.reason)}" if summary.reason else ""
    took = _milliseconds(summary.duration_ms)
    began = summary.started.isoformat(timespec="seconds")
    out.print(line(f"Outcome {summary.outcome} after {took}, begun {began}{why}", _STYLES[summary.outcome]))


def _show_approvals(out: Console, approvals: ApprovalSummary) -> None:
    counts = f"granted {approvals.granted}, rejected {approvals.rejected}"
    counts += f", answered otherwise {approvals.responded}" if approvals.responded else ""
    rest = f"expired {approvals.expired}, pending {approvals.pending}"
    _show_title(out, f"Approvals: asked {approvals.asked}, {counts}, {rest}")
    _show_table(
        out,
        None,
        ("tool", "call", "state", "by", "answered after"),
        [
            (name(item.tool), name(item.call_id), item.state.value, _who(item), _wait(item))
            for item in approvals.requests
        ],
    )
    _show_table(
        out,
        f"Who answered: {_share(approvals.share_approved)} approved, half within {_seconds(approvals.median_seconds)}",
        ("person", "answered", "approved", "half within"),
        [
            (
                name(item.approver) + ("" if item.verified else " (not verified)"),
                str(item.answered),
                str(item.approved),
                _seconds(item.median_seconds),
            )
            for item in approvals.approvers
        ],
    )


def _show_grants(out: Console, grants: Sequence[GrantSeen]) -> None:
    rows = [
        (
            name(item.tool),
            short(item.grant),
            name(item.approver.id) if item.approver else "",
            "in this run" if item.given else "before",
            str(item.used),
            item.ended or "",
        )
        for item in grants
    ]
    _show_table(out, "Standing grants", ("tool", "grant", "by", "given", "used", "ended"), rows)


def _show_effects_and_times(out: Console, summary: Summary) -> None:
    _show_table(
        out,
        "Effects",
        ("tool", "call", "digest", "state", "starts", "blocked attempts"),
        [
            (
                name(item.tool),
                name(item.call_id),
                short(item.call),
                item.state.value,
                str(item.starts),
                str(item.blocked),
            )
            for item in summary.effects
        ],
    )
    _show_table(
        out,
        "Time",
        ("stage", "count", "failed", "open", "total", "longest"),
        [
            (
                item.stage,
                str(item.count),
                str(item.failed),
                str(item.open),
                _milliseconds(item.total_ms),
                _milliseconds(item.max_ms),
            )
            for item in summary.latency
        ],
    )


def _show_title(out: Console, title: str) -> None:
    out.print()
    out.print(line(title, "bold"))


def _show_table(out: Console, title: str | None, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show rows under headings; nothing at all if there are none."""
    if not rows:
        return
    if title is not None:
        _show_title(out, title)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(line(heading), overflow="fold")
    for row in rows:
        table.add_row(*(line(cell) for cell in row))
    out.print(Padding(table, (0, 0, 0, 2), expand=False))


def _who(item: ApprovalAsked) -> str:
    if item.approver is None:
        return "-"
    verified = "" if item.approver.verified else " (not verified)"
    before = "".join(f"{name(person.id)}, " for person in item.voted)
    return f"{before}{name(item.approver.id)}{verified}{', edited' if item.edited_call else ''}"


def _wait(item: ApprovalAsked) -> str:
    return _seconds(item.answered_after_s)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if abs(value) < 1000 else f"{value / 1000:.1f} s"
