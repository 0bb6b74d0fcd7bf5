"""Shows to people whether a log can be trusted.

Invariant: a log with problems is announced before anything that was read from it.
"""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from aisecops_langchain.audit import Problem, VerifyReport
from aisecops_langchain.cli.output import one_line
from aisecops_langchain.cli.source import LoadedLog

_SHOWN: Final = 10


def line(text: str, style: str = "") -> Text:
    """Make one line of rich text in which nothing is interpreted.

    Args:
        text: Any text.
        style: A rich style.

    Returns:
        The text, control characters written out.
    """
    return Text(one_line(text), style=style)


def show_verdict(out: Console, report: VerifyReport, *, unreadable: int = 0, limit: int | None = _SHOWN) -> None:
    """Show whether a log verifies.

    Args:
        out: Where to.
        report: The verification.
        unreadable: Number of lines that could not be read.
        limit: Most problems to list; None for all.
    """
    size = f"{report.events} events in {len(report.segments)} segments"
    if report.ok:
        keys = "with the given keys" if report.keys_pinned else "with the keys found beside it"
        out.print(line(f"Log verified: {size}, {keys}.", "green"))
    else:
        out.print(
            line(f"LOG DOES NOT VERIFY: {len(report.problems)} problems, {size}. Trust nothing below.", "bold red")
        )
    if len(report.signers) > 1 and not report.keys_pinned:
        signers = ", ".join(report.signers[:_SHOWN]) + (" and more" if len(report.signers) > _SHOWN else "")
        text = f"Signed with {len(report.signers)} keys: {signers}; say with --key which of them you trust."
        out.print(line(text, "yellow"))
    if unreadable:
        out.print(line(f"{unreadable} lines are no events and are not shown.", "red"))
    for problem in report.problems[:limit]:
        out.print(line(f"  {_finding(problem)}", "red"))
    for warning in report.warnings[:limit]:
        out.print(line(f"  warning: {_finding(warning)}", "yellow"))
    if limit is not None and max(len(report.problems), len(report.warnings)) > limit:
        out.print(line("  and more; see them with: aisecops audit verify", "red"))


def show_verdicts(out: Console, log: LoadedLog) -> None:
    """Show whether what was read can be trusted, log by log.

    Args:
        out: Where to.
        log: One or several logs.
    """
    for part in log.parts:
        if len(log.parts) > 1:
            out.print(line(f"{part.path}:"))
        show_verdict(out, part.report, unreadable=part.unreadable)


def show_segments(out: Console, report: VerifyReport) -> None:
    """Show the segments of a log, with the end of each, which can be kept elsewhere and passed as --expect.

    Args:
        out: Where to.
        report: The verification.
    """
    for segment in report.segments:
        state = "closed" if segment.closed else "open"
        verdict = "ok" if segment.ok else "NOT OK"
        key = f", key {' and '.join(segment.signers) or 'unknown'}"
        text = f"{segment.name}: {verdict}, {state}, {segment.events} events{key}"
        out.print(line(text, "" if segment.ok else "red"))
        out.print(line(f"  {segment.name}:{segment.seq}:{segment.head}"), soft_wrap=True)


def _finding(problem: Problem) -> str:
    where = (problem.segment or "log") + (f" line {problem.seq}" if problem.seq is not None else "")
    return f"{problem.code} at {where}: {problem.message}"
