"""A chat model that says what it was told to: for tests and demos without a provider.

Invariant: it plays its script once, in order, and says so when it is asked for more than there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolCall
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict, PrivateAttr

from aisecops_langchain.canonical import digest

Turn = str | AIMessage | ToolCall | Sequence[ToolCall] | Callable[[list[BaseMessage]], "Turn"]
"""One turn of the script: words, a message, calls, or a function of the conversation that gives one of these."""


class ScriptedChatModel(BaseChatModel):
    """Plays a script; binds any tools and ignores them.

    Attributes:
        script: The turns, in order.
        repeat_last: Whether the last turn is said again and again, as an insistent model would.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    script: list[Any]
    repeat_last: bool = False
    _position: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _seen: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def seen(self) -> list[list[BaseMessage]]:
        """What the model was shown, one entry per turn."""
        return self._seen

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:  # noqa: ARG002
        """Return the model itself; the script decides what is called."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - LangChain's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature
        **kwargs: Any,  # noqa: ARG002 - LangChain's signature
    ) -> ChatResult:
        with self._lock:
            position = self._position
            self._position += 1
            self._seen.append(list(messages))
        if position >= len(self.script):
            if not self.repeat_last:
                message = f"the script has {len(self.script)} turns and was asked for another"
                raise IndexError(message)
            position = len(self.script) - 1
        return ChatResult(generations=[ChatGeneration(message=_message(self.script[position], messages))])


def call(name: str, call_id: str | None = None, /, **arguments: Any) -> ToolCall:
    """Write a tool call for a script.

    Args:
        name: The tool.
        call_id: Its id; made from the name and the arguments if left out.
        **arguments: Its arguments.

    Returns:
        The call.
    """
    made = call_id or f"call-{name}-{digest('scripted', arguments)[7:15]}"
    return ToolCall(name=name, args=arguments, id=made, type="tool_call")


def _message(turn: Any, messages: list[BaseMessage]) -> AIMessage:
    if callable(turn):
        return _message(turn(messages), messages)
    if isinstance(turn, AIMessage):
        return turn.model_copy(deep=True)
    if isinstance(turn, str):
        return AIMessage(turn)
    calls = [turn] if isinstance(turn, dict) else list(turn)
    return AIMessage("", tool_calls=[item.copy() for item in calls])
