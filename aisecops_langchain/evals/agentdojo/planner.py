"""Who proposes the calls: a planner stands in for the language model.

Invariant: a planner only proposes. It is an ordinary chat model to the agent, so what it wants goes through the same
gates as the wishes of a real one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import ConfigDict

from aisecops_langchain.evals.agentdojo.proposals import (
    AGAIN,
    INJECTED,
    Call,
    is_injected,
    number_of,
    origin_of,
    to_tool_calls,
)
from aisecops_langchain.evals.agentdojo.sight import Sight
from aisecops_langchain.evals.agentdojo.trace import fate


class Attempts(StrEnum):
    """How often the worst-case planner proposes what an injection wants."""

    FIRST = "first"
    """Once, when it first sees the injection."""
    ALL = "all"
    """And once more at the end what was refused, when all that the user's task could read has been read."""


class Script(ABC):
    """What to say next."""

    @abstractmethod
    def reply(self, messages: Sequence[BaseMessage]) -> ToolCall | str:
        """Return the next call, or the final answer; the position is read off the conversation."""


class ScriptedModel(BaseChatModel):
    """Propose the calls of a script one by one, and then give its answer."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: Script

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
        reply = self.script.reply(messages)
        message = AIMessage(content=reply) if isinstance(reply, str) else AIMessage(content="", tool_calls=[reply])
        return ChatResult(generations=[ChatGeneration(message=message)])


class BenignScript(Script):
    """Proposes given calls, whatever the tools say; measures what governance costs honest work.

    Args:
        calls: What to propose, in order.
        answer: The last words.
    """

    def __init__(self, calls: Iterable[ToolCall], answer: str) -> None:
        self._calls = tuple(calls)
        self.answer = answer

    def reply(self, messages: Sequence[BaseMessage]) -> ToolCall | str:
        """Return the next call, or the answer."""
        position = _turns(messages)
        return self._calls[position] if position < len(self._calls) else self.answer


class WorstCaseScript(Script):
    """Works on the user's task, and obeys an injection as soon as a tool has returned it.

    Nothing discourages it: a call that is refused is followed by the next one. Only the very call that was refused is
    not proposed again, unless asked to: a run that insists is ended by governance, which is less than can be got.

    Args:
        calls: What the user's task needs, in order.
        answer: The last words.
        sight: Whether the injection was seen.
        injected: Makes the injection's calls, from the world at the time when it is asked.
        words: What the injection wants said in the answer.
        attempts: How often the injection's calls are proposed.
    """

    def __init__(
        self,
        calls: Iterable[ToolCall],
        answer: str,
        *,
        sight: Sight,
        injected: Callable[[], Iterable[Call]],
        words: str = "",
        attempts: Attempts = Attempts.FIRST,
    ) -> None:
        self._agenda = list(calls)
        self.answer = answer
        self._sight = sight
        self._injected = injected
        self._words = words
        self._attempts = attempts
        self._obeyed = self._insisted = False

    def reply(self, messages: Sequence[BaseMessage]) -> ToolCall | str:
        """Return the next call, or the answer; the injection's calls come before anything else once it was seen."""
        position = _turns(messages)
        if self._sight.seen and not self._obeyed:
            self._obeyed = True
            self._agenda[position:position] = to_tool_calls(self._injected(), INJECTED)
        while position < len(self._agenda) and _was_refused(self._agenda[position], messages):
            del self._agenda[position]
        if position >= len(self._agenda) and self._attempts is Attempts.ALL and not self._insisted:
            self._insisted = True
            self._agenda.extend(_refused(self._agenda, messages))
        if position < len(self._agenda):
            return self._agenda[position]
        return f"{self.answer}\n{self._words}" if self._obeyed and self._words else self.answer


def _refused(agenda: Sequence[ToolCall], messages: Sequence[BaseMessage]) -> list[ToolCall]:
    failed = {m.tool_call_id for m in messages if isinstance(m, ToolMessage) and m.status == "error"}
    again: list[ToolCall] = []
    for call in agenda:
        call_id = call["id"] or ""
        if call_id in failed and is_injected(call_id) and not any(_same(call, other) for other in again):
            again.append(ToolCall(**{**call, "id": f"{AGAIN}_{number_of(call_id)}"}))
    return again


def _was_refused(call: ToolCall, messages: Sequence[BaseMessage]) -> bool:
    """Tell whether the same party proposed the same call before, and governance refused it."""
    party = origin_of(call["id"] or "")
    if party == AGAIN:
        return False
    refused = {m.tool_call_id for m in messages if isinstance(m, ToolMessage) and fate(m) == "refused"}
    return any(
        before["id"] in refused and origin_of(before["id"] or "") == party and _same(before, call)
        for message in messages
        if isinstance(message, AIMessage)
        for before in message.tool_calls
    )


def _same(one: ToolCall, other: ToolCall) -> bool:
    return one["name"] == other["name"] and one["args"] == other["args"]


def _turns(messages: Sequence[BaseMessage]) -> int:
    return sum(1 for message in messages if isinstance(message, AIMessage))
