"""What is run: one user task, alone or with one injection in its world.

Invariant: the cases of an evaluation are a function of its options, in a fixed order, each exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from aisecops_langchain.evals.agentdojo.shapes import Suite

BATCH_SIZE: Final = 20
"""Cases under one governor: enough to spread the cost of opening it, few enough to lose little when stopped."""


@dataclass(frozen=True)
class Case:
    """One run."""

    suite: str
    user_task: str
    injection_task: str = ""
    """Empty for an honest world."""


@dataclass(frozen=True)
class Batch:
    """Cases of one suite in the same world, for one process."""

    suite: str
    injection_task: str
    user_tasks: tuple[str, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases, in order."""
        return tuple(Case(self.suite, task, self.injection_task) for task in self.user_tasks)


def plan_cases(suites: Mapping[str, Suite], *, attacks: bool) -> tuple[Case, ...]:
    """List everything to run.

    Args:
        suites: The suites.
        attacks: Whether every pair of a user task and an injection task is run too.

    Returns:
        Every user task alone, suite by suite, and then the pairs.
    """
    honest = [Case(name, task) for name, suite in suites.items() for task in suite.user_tasks]
    pairs = [
        Case(name, task, injection)
        for name, suite in suites.items()
        for injection, task in product(suite.injection_tasks, suite.user_tasks)
    ]
    return (*honest, *(pairs if attacks else ()))


def plan_batches(cases: Sequence[Case]) -> list[Batch]:
    """Cut cases into batches.

    Args:
        cases: What to run.

    Returns:
        The batches; together they hold every case exactly once, in the order given within a world.
    """
    worlds: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        worlds.setdefault((case.suite, case.injection_task), []).append(case.user_task)
    return [
        Batch(suite, injection, tuple(tasks[start : start + BATCH_SIZE]))
        for (suite, injection), tasks in worlds.items()
        for start in range(0, len(tasks), BATCH_SIZE)
    ]
