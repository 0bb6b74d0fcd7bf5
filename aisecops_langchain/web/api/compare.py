"""Comparisons: planned against decided against executed in one run, and one run against another.

Invariant: what is answered is what ``aisecops replay diff`` prints with ``--json``, for runs that the caller may see.
"""

from __future__ import annotations

from starlette.requests import Request

from aisecops_langchain.forensics.diff import WithinRun, compare_runs, compare_within
from aisecops_langchain.forensics.diff.runs import RunDiff
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.violations import problems_of
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.api.traces import run_of
from aisecops_langchain.web.site import site_of


class WithinTold(Told):
    """What was planned, decided and executed in one run."""

    trace: str
    calls: tuple[WithinRun, ...]
    problems: tuple[Problem, ...]


class DiffTold(Told):
    """One run against another."""

    diff: RunDiff


def compare_one(request: Request) -> WithinTold:
    """Compare what was planned, decided and executed in one run."""
    trace = run_of(request).trace
    calls, problems = compare_within(trace), problems_of(trace)
    return WithinTold(log=site_of(request).library.standing(), trace=trace.id, calls=tuple(calls), problems=problems)


def compare_two(request: Request) -> DiffTold:
    """Compare one run with another."""
    diff = compare_runs(run_of(request, "first").trace, run_of(request, "second").trace)
    return DiffTold(log=site_of(request).library.standing(), diff=diff)
