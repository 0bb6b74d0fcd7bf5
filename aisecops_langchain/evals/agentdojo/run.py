"""The whole evaluation: runs in batches over processes, one audit log, one file of results, one report.

Invariant: every batch runs under a governor of its own that is closed before its outcomes count, and the log is
verified after the last one; outcomes without a verified log are not a success.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from aisecops_langchain import __version__
from aisecops_langchain.audit import Durability, verify_log
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.evals.agentdojo.agent import GovernedAgent
from aisecops_langchain.evals.agentdojo.cases import Batch, plan_batches, plan_cases
from aisecops_langchain.evals.agentdojo.findings import injected_calls_that_ran, refused_honest_calls
from aisecops_langchain.evals.agentdojo.loading import BENCHMARK, load_suites
from aisecops_langchain.evals.agentdojo.outcome import Outcome
from aisecops_langchain.evals.agentdojo.policy import agent_name, policy_for
from aisecops_langchain.evals.agentdojo.reasons import read_reasons
from aisecops_langchain.evals.agentdojo.report import AuditCheck, Bounds, Report
from aisecops_langchain.evals.agentdojo.results import Manifest, ResultStore
from aisecops_langchain.evals.agentdojo.suites import Setting, run_case
from aisecops_langchain.runtime.governor import Governor

Progress = Callable[[int, int], None]
"""Told how many runs are done, and of how many."""


class PlannerKind(StrEnum):
    """Who proposes the calls."""

    BENIGN = "benign"
    """The user's tasks in honest worlds."""
    WORST_CASE = "worst-case"
    """These, and every pair with an injection, which the planner obeys."""


@dataclass(frozen=True)
class Options:
    """What to run, and where."""

    planner: PlannerKind
    suites: tuple[str, ...]
    """Names of the suites; none means all."""
    home: Path
    """Directory of results, audit log, ledger and keys; made if missing."""
    policy: Path | None
    """A bundle for all suites, or a directory with ``SUITE.yaml`` for each; none allows every tool of the suite."""
    jobs: int
    """Processes; with one, everything runs in this process."""
    setting: Setting = field(default_factory=Setting)
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True)
class Work:
    """A batch and what a process needs to know to run it."""

    batch: Batch
    options: Options
    policy: str
    """Digest of the policy that the evaluation began with."""


def evaluate(options: Options, *, on_progress: Progress = lambda _done, _total: None) -> Report:
    """Run user tasks, alone and under attack, through governed agents, and verify the log.

    What the home already holds of this evaluation is not run again.

    Args:
        options: What to run.
        on_progress: Told after each batch.

    Returns:
        The report, outcomes in the order of suites and tasks.

    Raises:
        ConfigurationError: If a suite or a policy file does not exist, or the home holds another evaluation.
        AisecopsError: If a governor cannot be opened or the log cannot be read.
    """
    started = time.monotonic()
    suites = load_suites(options.suites)
    digests = {name: policy_for(suite, options.policy).digest for name, suite in suites.items()}
    cases = plan_cases(suites, attacks=options.planner is PlannerKind.WORST_CASE)
    with ResultStore(options.home, _manifest(options, digests)) as store:
        batches = plan_batches([case for case in cases if case not in store.outcomes])
        on_progress(len(store.outcomes), len(cases))
        for finished in _run_all([Work(batch, options, digests[batch.suite]) for batch in batches], options.jobs):
            store.add(finished)
            on_progress(len(store.outcomes), len(cases))
        outcomes = tuple(store.outcomes[case] for case in cases)
    return _report(options, outcomes, started)


def run_batch(work: Work) -> tuple[Outcome, ...]:
    """Run the cases of one batch under one governor, which writes its own segment of the log.

    Args:
        work: The batch.

    Returns:
        Their outcomes, in order.

    Raises:
        ConfigurationError: If the policy is not the one that the evaluation began with.
    """
    batch, options = work.batch, work.options
    suite = load_suites((batch.suite,))[batch.suite]
    policy = policy_for(suite, options.policy)
    if policy.digest != work.policy:
        raise ConfigurationError(
            f"the policy of {batch.suite} changed during the evaluation",
            expected=work.policy,
            got=policy.digest,
            remedy="begin again in another home",
        )
    # Nothing of value is lost with the power: the runs would be repeated.
    with Governor.open(policy, options.home, durability=Durability.NONE) as governor:
        agent = GovernedAgent(governor, agent_name(suite), approver=options.setting.approver)
        return tuple(run_case(suite, case, agent, options.setting) for case in batch.cases)


def _run_all(work: Sequence[Work], jobs: int) -> Iterator[tuple[Outcome, ...]]:
    if jobs == 1 or len(work) <= 1:
        yield from map(run_batch, work)
        return
    # Spawned, not forked: a fork would copy the locks and threads of this process in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=min(jobs, len(work)), mp_context=context) as pool:
        try:
            for future in as_completed([pool.submit(run_batch, item) for item in work]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _manifest(options: Options, digests: Mapping[str, str]) -> Manifest:
    return Manifest(
        benchmark=BENCHMARK,
        version=__version__,
        planner=options.planner,
        approver=options.setting.approver,
        attempts=options.setting.attempts,
        policies=dict(digests),
    )


def _report(options: Options, outcomes: tuple[Outcome, ...], started: float) -> Report:
    log = options.home / "audit"
    checked = verify_log(log)
    reasons = read_reasons(log, {outcome.trace for outcome in outcomes})
    return Report(
        planner=options.planner,
        approver=options.setting.approver,
        attempts=options.setting.attempts,
        attacks=options.planner is PlannerKind.WORST_CASE,
        outcomes=outcomes,
        audit=AuditCheck(path=log, verified=checked.ok, events=checked.events, segments=len(checked.segments)),
        seconds=time.monotonic() - started,
        refused=refused_honest_calls(outcomes, reasons),
        ran=injected_calls_that_ran(outcomes, reasons),
        bounds=options.bounds,
    )
