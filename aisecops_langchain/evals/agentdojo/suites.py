"""AgentDojo's suites: which there are, and how one task is run and judged.

Invariant: AgentDojo's own runner makes the environment, calls the agent and judges the outcome. Its verdict is never
raised here, only lowered: a scripted planner knows the answer without having looked, and the answer alone satisfies 38
of the 97 checkers, so a task counts as kept only if every call that solves it ran too. What breaks has failed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from agentdojo.task_suite.load_suites import get_suites
from langchain_core.messages import BaseMessage
from pydantic import BaseModel

from aisecops_langchain.errors import AisecopsError, ConfigurationError
from aisecops_langchain.evals.agentdojo.agent import AgentRunner
from aisecops_langchain.evals.agentdojo.planner import Planner
from aisecops_langchain.evals.agentdojo.shapes import Runtime, Suite, Turn, UserTask
from aisecops_langchain.evals.agentdojo.tools import to_langchain_tools
from aisecops_langchain.evals.agentdojo.trace import executed_results, failed_results, to_agentdojo_messages

_LOG = logging.getLogger(__name__)

BENCHMARK: Final = "v1.2.2"
"""The version of the suites; another one holds other tasks."""


@dataclass(frozen=True)
class TaskOutcome:
    """What became of one task."""

    suite: str
    task: str
    ok: bool
    """Whether AgentDojo's checker finds the user served, and every call that solves the task ran."""
    trace: str
    """Identity of the run in the audit log; empty if it never began."""
    executed: int
    """Calls that ran."""
    refused: int
    """Calls that came back to the planner as errors."""
    reason: str = ""
    """Why it failed, without any content."""


def load_suites(names: Sequence[str] = ()) -> dict[str, Suite]:
    """Load suites by name.

    Args:
        names: The suites wanted, in order; none means all.

    Returns:
        The suites by name.

    Raises:
        ConfigurationError: If there is no suite of that name.
    """
    known = cast("Mapping[str, Suite]", get_suites(BENCHMARK))
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ConfigurationError(
            "unknown suite", expected=", ".join(known), got=", ".join(unknown), remedy="name one of those"
        )
    return {name: known[name] for name in names or known}


def run_task(suite: Suite, task: UserTask, planner: Planner, agent: AgentRunner) -> TaskOutcome:
    """Let the governed agent work on one user task in a fresh environment, and judge it.

    Args:
        suite: The suite that the task belongs to.
        task: The task.
        planner: Who proposes the calls.
        agent: Runs a governed agent.

    Returns:
        The outcome; whatever the run raised is its reason.
    """
    pipeline = _GovernedPipeline(task, planner, agent)
    try:
        served, _ = suite.run_task_with_pipeline(pipeline, task, None, {})
        reason = pipeline.missing() or ("" if served else "the checker was not satisfied")
    except AisecopsError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001  (whatever breaks one task must not hide the result of the others)
        reason = f"{type(error).__name__} during the run"
        _LOG.debug("task %s of %s broke", task.ID, suite.name, exc_info=True)
    return TaskOutcome(
        suite=suite.name,
        task=task.ID,
        ok=not reason,
        trace=pipeline.trace,
        executed=len(executed_results(pipeline.messages)),
        refused=len(failed_results(pipeline.messages)),
        reason=reason,
    )


class _GovernedPipeline:
    """Our agent in the shape that AgentDojo's runner calls."""

    def __init__(self, task: UserTask, planner: Planner, agent: AgentRunner) -> None:
        self._task = task
        self._planner = planner
        self._agent = agent
        self._needed: Counter[str] = Counter()
        self.trace = ""
        self.messages: Sequence[BaseMessage] = ()

    def query(self, query: str, runtime: Runtime, env: BaseModel) -> Turn:
        self._needed = Counter(call.function for call in self._task.ground_truth(env))
        model = self._planner.model(self._task, env)
        tools = to_langchain_tools(runtime.functions.values(), env)
        run = self._agent.run(model, tools, query)
        self.trace, self.messages = run.trace, run.messages
        return query, runtime, env, to_agentdojo_messages(run.messages), {}

    def missing(self) -> str:
        ran = Counter(result.name or "" for result in executed_results(self.messages).values())
        names = sorted(self._needed - ran)
        return f"calls that did not run: {', '.join(names)}" if names else ""
