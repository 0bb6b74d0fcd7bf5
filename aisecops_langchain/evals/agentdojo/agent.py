"""The agent under test: the public ``govern``, with nothing left out and nothing added.

Invariant: a run sees a fresh agent; only the governor, and with it log, ledger and policy, is shared.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from aisecops_langchain.adapters.govern import govern
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.evals.agentdojo.approver import CallApprover
from aisecops_langchain.runtime.governor import Governor

STEP_LIMIT: Final = 400
"""Graph steps between two questions; a call takes three, and no task with its injection needs a third of this."""

_INTERRUPTS: Final = "__interrupt__"


@dataclass(frozen=True)
class AgentRun:
    """What a run left behind."""

    trace: str
    """Its identity in the audit log."""
    messages: Sequence[BaseMessage]
    """The whole conversation, oldest first."""


class AgentRunner(Protocol):
    """Runs an agent on one prompt."""

    def run(self, model: BaseChatModel, tools: Sequence[BaseTool], prompt: str, approver: CallApprover) -> AgentRun:
        """Run to the end and return the conversation."""


class GovernedAgent:
    """Runs governed agents under one governor.

    Args:
        governor: An open governor.
        agent: The agent's name, as the governor's policy knows it.
        approver: How approvals are signed in the log.
    """

    def __init__(self, governor: Governor, agent: str, *, approver: str = "none") -> None:
        self._governor = governor
        self._agent = agent
        self._signature = Approver(id=f"agentdojo-{approver}", verified=False)

    def run(self, model: BaseChatModel, tools: Sequence[BaseTool], prompt: str, approver: CallApprover) -> AgentRun:
        """Build an agent over a model and tools, and let it work on a prompt.

        Args:
            model: Proposes the calls.
            tools: What it may propose.
            prompt: The user's words.
            approver: Answers whatever policy wants asked.

        Returns:
            The trace and the conversation.

        Raises:
            AisecopsError: If the agent cannot be governed, an answer changes nothing, or the run cannot be recorded.
            GraphRecursionError: If the run takes too many steps.
        """
        graph = govern(
            model,
            tools,
            governor=self._governor,
            agent=self._agent,
            user="agentdojo-user",
            approver=lambda _config: self._signature,
            checkpointer=InMemorySaver(),
        )
        config: RunnableConfig = {"recursion_limit": STEP_LIMIT, "configurable": {"thread_id": uuid.uuid4().hex}}
        state = graph.invoke({MESSAGES: [HumanMessage(prompt)]}, config)
        for _ in range(STEP_LIMIT):
            questions = state.get(_INTERRUPTS)
            if not questions:
                return _run_of(state)
            answers = {question.id: approver.answer(question.value) for question in questions}
            state = graph.invoke(Command(resume=answers), config)
        raise AisecopsError("the same questions were asked again and again", expected="at most one answer for each")


def _run_of(state: Mapping[str, Any]) -> AgentRun:
    return AgentRun(trace=str(state[CHANNEL]["trace"]), messages=tuple(state[MESSAGES]))
