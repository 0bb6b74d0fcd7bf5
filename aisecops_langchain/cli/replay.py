"""``aisecops replay``: tell from the log alone what a run did, and why.

Invariant: it reads and never runs anything; what does not verify is shown with that said first, and makes exit code 1.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from aisecops_langchain.cli.group import Group
from aisecops_langchain.cli.replay_diff import diff_command
from aisecops_langchain.cli.replay_graph import blast_radius_command, graph_command, origin_command
from aisecops_langchain.cli.replay_options import as_json_option, logs_argument, trace_option
from aisecops_langchain.cli.replay_report import report_command

if TYPE_CHECKING:
    from aisecops_langchain.cli.source import LoadedLog

_SHOWN_TRACES: Final = 20
_LARGE_BYTES: Final = 64 * 1024 * 1024
"""From this size of a log on, an overview does not hold its events."""


@click.group("replay", cls=Group)
def replay_group() -> None:
    """Tell from the log what a run did, and why.

    PATH is a log directory, one segment file, or the governance home that holds the log. Several of them, such as
    those of all hosts that share a ledger, are read as one. Exit code 1 if a log does not verify; it is shown all the
    same, with that said first.
    """


@replay_group.command("summary")
@logs_argument
@trace_option
@as_json_option
def summary_command(*, paths: tuple[Path, ...], trace_id: str | None, as_json: bool) -> None:
    """Sum up every trace, or one: sources, decisions, approvals, effects and what is unaccounted for."""
    from aisecops_langchain.cli.source import end, load_log
    from aisecops_langchain.forensics.summary import summarize

    if trace_id is None and not as_json and len(paths) == 1 and _told_by_scan(paths[0]):
        return
    log = load_log(*paths, trace=trace_id)
    summaries = [summarize(trace, log.delegations) for trace in log.traces]
    if as_json:
        from aisecops_langchain.cli.output import print_json

        traces = [summary.model_dump(mode="json") for summary in summaries]
        print_json({"log": log.to_json(), "traces": traces})
        end(log)
        return
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import show_verdicts
    from aisecops_langchain.cli.render_summary import show_overview, show_summary
    from aisecops_langchain.forensics.overview import row_of_summary

    out = console()
    show_verdicts(out, log)
    if len(summaries) == 1:
        show_summary(out, summaries[0])
    else:
        rows = [row_of_summary(summary) for summary in summaries]
        show_overview(out, rows, [len(summary.problems) for summary in summaries])
    end(log)


@replay_group.command("timeline")
@logs_argument
@trace_option
@as_json_option
def timeline_command(*, paths: tuple[Path, ...], trace_id: str | None, as_json: bool) -> None:
    """Tell one trace event by event; the latest one, if none is named."""
    from aisecops_langchain.cli.source import end, load_log
    from aisecops_langchain.forensics.timeline import timeline

    log = load_log(*paths, trace=trace_id)
    trace = log.traces[-1]
    entries = timeline(trace)
    if as_json:
        from aisecops_langchain.cli.output import print_json

        told = [entry.model_dump(mode="json") for entry in entries]
        print_json({"log": log.to_json(), "trace": trace.id, "traces": list(log.known), "timeline": told})
        end(log)
        return
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import show_verdicts
    from aisecops_langchain.cli.render_timeline import show_timeline
    from aisecops_langchain.forensics.violations import problems_of

    out = console()
    show_verdicts(out, log)
    _name_others(log)
    show_timeline(out, trace, entries, problems_of(trace))
    end(log)


def _told_by_scan(path: Path) -> bool:
    """Show a large log that verifies from one scan, where the extra for it is there; its events are not kept."""
    from aisecops_langchain.cli.source import find_log

    log = find_log(path)
    if find_spec("duckdb") is None or _size(log) < _LARGE_BYTES:
        return False
    from aisecops_langchain.audit import verify_log
    from aisecops_langchain.cli.output import console
    from aisecops_langchain.cli.render_log import show_verdict
    from aisecops_langchain.cli.render_summary import show_overview
    from aisecops_langchain.errors import QueryError
    from aisecops_langchain.forensics.sql import overview_of_log

    report = verify_log(log)
    if not report.ok:
        return False
    try:
        rows = overview_of_log(log)
    except QueryError:  # too many runs for its memory, or a path that it cannot name: told the long way
        return False
    out = console()
    show_verdict(out, report)
    show_overview(out, rows, None)
    return True


def _size(log: Path) -> int:
    from aisecops_langchain.audit.layout import segment_paths

    return sum(path.stat().st_size for path in (segment_paths(log) if log.is_dir() else [log]))


def _name_others(log: LoadedLog) -> None:
    """Say which other traces there are, where the person did not choose."""
    if len(log.traces) == 1:
        return
    from aisecops_langchain.forensics.text import name

    click.echo(f"The log holds {len(log.traces)} traces; this is the latest. Choose another with --trace:")
    for trace in reversed(log.traces[-1 - _SHOWN_TRACES : -1]):
        click.echo(f"  {name(trace.id)}")
    if len(log.traces) > _SHOWN_TRACES + 1:
        click.echo(f"  and {len(log.traces) - _SHOWN_TRACES - 1} more; see them with: aisecops replay summary")


for command in (graph_command, blast_radius_command, origin_command, diff_command, report_command):
    replay_group.add_command(command)
