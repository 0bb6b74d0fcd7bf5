"""The agent under test: the public ``govern``, with nothing left out and nothing added.

Invariant: a task sees a fresh agent; only the governor, and with it log, ledger and policy, is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import BaseTool

from aisecops_langchain.adapters.govern import govern
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.runtime.governor import Governor

STEP_LIMIT: Final = 200
"""Graph steps in one run; a call takes three, and no task needs a third of this."""


@dataclass(frozen=True)
class AgentRun:
    """What a run left behind."""

    trace: str
    """Its identity in the audit log."""
    messages: Sequence[BaseMessage]
    """The whole conversation, oldest first."""


class AgentRunner(Protocol):
    """Runs an agent on one prompt."""

    def run(self, model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> AgentRun:
        """Run to the end and return the conversation."""


class GovernedAgent:
    """Runs governed agents under one governor.

    Args:
        governor: An open governor.
        agent: The agent's name, as the governor's policy knows it.
    """

    def __init__(self, governor: Governor, agent: str) -> None:
        self._governor = governor
        self._agent = agent

    def run(self, model: BaseChatModel, tools: Sequence[BaseTool], prompt: str) -> AgentRun:
        """Build an agent over a model and tools, and let it work on a prompt.

        Args:
            model: Proposes the calls.
            tools: What it may propose.
            prompt: The user's words.

        Returns:
            The trace and the conversation.

        Raises:
            AisecopsError: If the agent cannot be governed or the run cannot be recorded.
            GraphRecursionError: If the run takes too many steps.
        """
        graph = govern(model, tools, governor=self._governor, agent=self._agent, user="agentdojo-user")
        state = graph.invoke({MESSAGES: [HumanMessage(prompt)]}, {"recursion_limit": STEP_LIMIT})
        return AgentRun(trace=str(state[CHANNEL]["trace"]), messages=tuple(state[MESSAGES]))
