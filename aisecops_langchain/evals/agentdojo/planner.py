"""Who proposes the calls: a planner stands in for the language model.

Invariant: a planner only proposes. It is an ordinary chat model to the agent, so what it wants goes through the same
gates as the wishes of a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from aisecops_langchain.evals.agentdojo.shapes import UserTask


class Planner(Protocol):
    """A way to propose calls for a task."""

    @property
    def name(self) -> str:
        """The name on the command line and in the report."""

    def model(self, task: UserTask, environment: BaseModel) -> BaseChatModel:
        """Return the chat model that works on a task in an environment."""


class ScriptedModel(BaseChatModel):
    """Propose given calls one by one, whatever the tools say, and then give a given answer.

    The position in the script is read off the conversation, so the model holds no state of its own.
    """

    calls: tuple[ToolCall, ...]
    answer: str

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, object] | type | Callable[..., object] | BaseTool],  # noqa: ARG002
        *,
        tool_choice: str | None = None,  # noqa: ARG002
        **kwargs: object,  # noqa: ARG002
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model itself: the script already knows its tools."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: object,  # noqa: ARG002
    ) -> ChatResult:
        position = sum(1 for message in messages if isinstance(message, AIMessage))
        reply = (
            AIMessage(content="", tool_calls=[self.calls[position]])
            if position < len(self.calls)
            else AIMessage(content=self.answer)
        )
        return ChatResult(generations=[ChatGeneration(message=reply)])


class BenignPlanner:
    """Propose what the task's author says solves it; measures what governance costs honest work."""

    name: Final = "benign"

    def model(self, task: UserTask, environment: BaseModel) -> BaseChatModel:
        """Script the ground truth of a task.

        Args:
            task: The user's task.
            environment: The world before the first call; the ground truth takes identifiers from it.

        Returns:
            A model that proposes the calls in order, one a turn, each under its own call id.
        """
        calls = tuple(
            ToolCall(name=call.function, args=dict(call.args), id=f"call_{position}", type="tool_call")
            for position, call in enumerate(task.ground_truth(environment))
        )
        return ScriptedModel(calls=calls, answer=task.GROUND_TRUTH_OUTPUT)


PLANNERS: Final[Mapping[str, Planner]] = {planner.name: planner for planner in (BenignPlanner(),)}
"""Every planner by name."""
