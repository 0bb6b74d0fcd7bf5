"""The whole evaluation: tasks in batches over processes, one audit log, one report.

Invariant: every batch runs under a governor of its own that is closed before its outcomes count, and the log is
verified after the last one; outcomes without a verified log are not a success.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aisecops_langchain.audit import verify_log
from aisecops_langchain.evals.agentdojo.agent import GovernedAgent
from aisecops_langchain.evals.agentdojo.planner import PLANNERS
from aisecops_langchain.evals.agentdojo.policy import agent_name, policy_for
from aisecops_langchain.evals.agentdojo.report import AuditCheck, Report
from aisecops_langchain.evals.agentdojo.suites import TaskOutcome, load_suites, run_task
from aisecops_langchain.runtime.governor import Governor

BATCH_SIZE: Final = 6
"""Tasks under one governor: enough to spread the cost of opening it, few enough to keep all processes busy."""


@dataclass(frozen=True)
class Options:
    """What to run, and where."""

    planner: str
    """A key of ``PLANNERS``."""
    suites: tuple[str, ...]
    """Names of the suites; none means all."""
    home: Path
    """Directory of audit log, ledger and keys; made if missing."""
    policy: Path | None
    """A bundle for all suites, or a directory with ``SUITE.yaml`` for each; none allows every tool of the suite."""
    jobs: int
    """Processes; with one, everything runs in this process."""


@dataclass(frozen=True)
class Batch:
    """Some tasks of one suite, for one process."""

    suite: str
    tasks: tuple[str, ...]
    options: Options


def evaluate(options: Options, *, on_batch: Callable[[int, int], None] = lambda _done, _total: None) -> Report:
    """Run the user tasks of the suites through governed agents and verify the log.

    Args:
        options: What to run.
        on_batch: Told how many tasks are done, and of how many, after each batch.

    Returns:
        The report, outcomes in the order of suites and tasks.

    Raises:
        ConfigurationError: If a suite or a policy file does not exist.
        AisecopsError: If a governor cannot be opened or the log cannot be read.
    """
    started = time.monotonic()
    batches = plan_batches(options)
    total = sum(len(batch.tasks) for batch in batches)
    outcomes: dict[tuple[str, str], TaskOutcome] = {}
    on_batch(0, total)
    for finished in _run_all(batches, options.jobs):
        outcomes.update({(outcome.suite, outcome.task): outcome for outcome in finished})
        on_batch(len(outcomes), total)
    ordered = tuple(outcomes[batch.suite, task] for batch in batches for task in batch.tasks)
    return Report(
        planner=options.planner,
        outcomes=ordered,
        audit=_check_log(options.home / "audit"),
        seconds=time.monotonic() - started,
    )


def plan_batches(options: Options) -> list[Batch]:
    """Cut the tasks of the chosen suites into batches.

    Args:
        options: What to run.

    Returns:
        The batches; together they hold every task exactly once.

    Raises:
        ConfigurationError: If there is no suite of that name.
    """
    batches: list[Batch] = []
    for name, suite in load_suites(options.suites).items():
        tasks = tuple(suite.user_tasks)
        batches.extend(
            Batch(suite=name, tasks=tasks[start : start + BATCH_SIZE], options=options)
            for start in range(0, len(tasks), BATCH_SIZE)
        )
    return batches


def run_batch(batch: Batch) -> tuple[TaskOutcome, ...]:
    """Run the tasks of one batch under one governor, which writes its own segment of the log.

    Args:
        batch: The tasks.

    Returns:
        Their outcomes, in order.
    """
    suite = load_suites((batch.suite,))[batch.suite]
    planner = PLANNERS[batch.options.planner]
    with Governor.open(policy_for(suite, batch.options.policy), batch.options.home) as governor:
        agent = GovernedAgent(governor, agent_name(suite))
        return tuple(run_task(suite, suite.user_tasks[task], planner, agent) for task in batch.tasks)


def _run_all(batches: Sequence[Batch], jobs: int) -> Iterator[tuple[TaskOutcome, ...]]:
    if jobs == 1:
        yield from map(run_batch, batches)
        return
    # Spawned, not forked: a fork would copy the locks and threads of this process in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=min(jobs, len(batches)), mp_context=context) as pool:
        for future in as_completed([pool.submit(run_batch, batch) for batch in batches]):
            yield future.result()


def _check_log(directory: Path) -> AuditCheck:
    report = verify_log(directory)
    return AuditCheck(path=directory, verified=report.ok, events=report.events, segments=len(report.segments))
