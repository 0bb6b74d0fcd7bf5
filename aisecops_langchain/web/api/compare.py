"""Comparisons: planned against decided against executed in one run, and one run against another.

Invariant: what is answered is what ``aisecops replay diff`` prints with ``--json``, for runs that the caller may see.
"""

from __future__ import annotations

from starlette.requests import Request

from aisecops_langchain.forensics.diff import WithinRun, compare_runs
from aisecops_langchain.forensics.diff.runs import RunDiff
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.api.traces import MOST_ENTRIES, USUAL_ENTRIES, run_of
from aisecops_langchain.web.paging import paging_of, part_of
from aisecops_langchain.web.site import site_of


class WithinTold(Told):
    """What was planned, decided and executed in one run."""

    trace: str
    calls: tuple[WithinRun, ...]
    """In the order in which the log first tells of them."""
    problems: tuple[Problem, ...]
    """Of the whole run."""
    total: int
    """How many calls there are on all pages."""
    offset: int
    limit: int


class DiffTold(Told):
    """One run against another."""

    diff: RunDiff


def compare_one(request: Request) -> WithinTold:
    """Compare what was planned, decided and executed in one run."""
    run, part = run_of(request), paging_of(request.query_params, usual=USUAL_ENTRIES, most=MOST_ENTRIES)
    return WithinTold(
        log=site_of(request).library.standing(),
        trace=run.trace.id,
        calls=tuple(part_of(run.calls, part)),
        problems=run.summary.problems,
        total=len(run.calls),
        **part,
    )


def compare_two(request: Request) -> DiffTold:
    """Compare one run with another."""
    diff = compare_runs(run_of(request, "first").trace, run_of(request, "second").trace)
    return DiffTold(log=site_of(request).library.standing(), diff=diff)
