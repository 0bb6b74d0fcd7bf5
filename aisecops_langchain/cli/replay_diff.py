"""``aisecops replay diff``: planned against decided against executed, or one run against another.

Invariant: exit code 1 for a run in which something did not go as it must, or for two runs that differ; 0 else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisecops_langchain.cli.replay_options import as_json_option, logs_argument, trace_option

if TYPE_CHECKING:
    from aisecops_langchain.cli.source import LoadedLog
    from aisecops_langchain.forensics.trace import Trace


@click.command("diff")
@logs_argument
@trace_option
@click.option("--with", "other", metavar="ID", help="Compare with this trace, rather than within one.")
@as_json_option
@click.pass_context
def diff_command(
    context: click.Context, *, paths: tuple[Path, ...], trace_id: str | None, other: str | None, as_json: bool
) -> None:
    """Compare what was planned, decided and executed in one run; or one run with another.

    The latest trace, if none is named.
    """
    from aisecops_langchain.cli.source import load_log

    log = load_log(*paths)
    trace = _chosen(log, trace_id)
    sound = _within(log, trace, as_json=as_json) if other is None else _runs(log, trace, _chosen(log, other), as_json)
    if not (sound and log.verified):
        context.exit(1)


def _chosen(log: LoadedLog, wanted: str | None) -> Trace:
    from aisecops_langchain.cli.output import UnsoundError
    from aisecops_langchain.forensics.text import name

    found = log.traces[-1] if wanted is None else next((trace for trace in log.traces if trace.id == wanted), None)
    if found is None:
        raise UnsoundError(f"the log holds no trace {name(wanted or '')}; see them with: aisecops replay summary")
    return found


def _within(log: LoadedLog, trace: Trace, *, as_json: bool) -> bool:
    from aisecops_langchain.cli.output import console, print_json
    from aisecops_langchain.forensics.diff import Verdict, compare_within
    from aisecops_langchain.forensics.violations import problems_of

    found, problems = compare_within(trace), problems_of(trace)
    if as_json:
        calls = [item.model_dump(mode="json") for item in found]
        gaps = [problem.model_dump(mode="json") for problem in problems]
        print_json({"log": log.to_json(), "trace": trace.id, "calls": calls, "problems": gaps})
    else:
        from aisecops_langchain.cli.render_diff import show_within
        from aisecops_langchain.cli.render_log import show_verdicts

        out = console()
        show_verdicts(out, log)
        show_within(out, trace, found, problems)
    return not problems and all(item.verdict is not Verdict.VIOLATION for item in found)


def _runs(log: LoadedLog, first: Trace, second: Trace, as_json: bool) -> bool:  # noqa: FBT001 - handed on
    from aisecops_langchain.cli.output import console, print_json
    from aisecops_langchain.forensics.diff import compare_runs

    found = compare_runs(first, second)
    if as_json:
        print_json({"log": log.to_json(), "diff": found.model_dump(mode="json")})
    else:
        from aisecops_langchain.cli.render_diff import show_runs
        from aisecops_langchain.cli.render_log import show_verdicts

        out = console()
        show_verdicts(out, log)
        show_runs(out, found)
    return not (found.changed or found.only_first or found.only_second)
