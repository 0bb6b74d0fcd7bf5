"""Differences: what was planned against what was decided and done, and one run against another.

Invariant: a difference is a fact about recorded events; what the log withholds is compared by its commitment, never
guessed.
"""

from __future__ import annotations

from aisecops_langchain.forensics.diff.runs import ChangedStep, RunDiff, compare_runs
from aisecops_langchain.forensics.diff.steps import Step, steps_of
from aisecops_langchain.forensics.diff.within import Verdict, WithinRun, compare_within

__all__ = [
    "ChangedStep",
    "RunDiff",
    "Step",
    "Verdict",
    "WithinRun",
    "compare_runs",
    "compare_within",
    "steps_of",
]
