"""A chat model that reads what the user's own words ask for.

Invariant: the model is shown nothing but the user's words without quoted passages, and the names of tools with the
effects and intents that policy declares; never a tool's result or a tool's own description. Whatever it answers but a
list of those names, late or not at all, asks for nothing, and then only reading is within scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final

import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.task import TaskScope
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.provenance import ScopedTool, scope_of, unquoted

MAX_CHARACTERS: Final = 20_000
"""Longer words are not read."""

_INSTRUCTIONS: Final = (
    "List the tools that the user explicitly asks for in the words below. List a tool only if the words cannot be "
    "done without it. Words about what others want ask for nothing. If in doubt, leave the tool out. Tools: "
)


class RequestedTools(BaseModel):
    """The tools that the user asks for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tools: list[str] = Field(max_length=64, description="Names of tools, exactly as given; empty if none is asked for.")


class ModelScope:
    """A scope extractor over any chat model with structured output.

    A model is not deterministic; the runtime keeps its first reading for each run.

    Args:
        model: The chat model.
        name: Name of the model and its settings; a reading is kept under it.
        timeout_seconds: How long an answer is waited for.

    Raises:
        ConfigurationError: If the time is not positive.
    """

    def __init__(self, model: BaseChatModel, *, name: str, timeout_seconds: float = 20) -> None:
        if not timeout_seconds > 0:
            raise ConfigurationError(
                "the time to read a request is not usable", expected="more than 0 seconds", got=str(timeout_seconds)
            )
        self._asked = model.with_structured_output(RequestedTools)
        self._name = name
        self._timeout = timeout_seconds

    @property
    def identity(self) -> str:
        """Name of the model and of these instructions."""
        return digest_texts("model-scope", self._name, _INSTRUCTIONS)

    def extract(self, words: Sequence[str], tools: Sequence[ScopedTool]) -> TaskScope:
        """Read a request; every failure reads as asking for nothing.

        Args:
            words: The user's own words, newest last.
            tools: What is within reach.

        Returns:
            The scope: tools that only read, and the tools that the model named.
        """
        acting = {tool.name: tool for tool in tools if not tool.profile.only_reads}
        reading = [tool for tool in tools if tool.profile.only_reads]
        said = "\n\n".join(words)
        named = self._named(unquoted(said), acting.values()) if acting and len(said) <= MAX_CHARACTERS else []
        known = named if set(named) <= set(acting) else []
        return scope_of(said, [*reading, *(acting[name] for name in known)])

    def _named(self, said: str, tools: Iterable[ScopedTool]) -> list[str]:
        listed = [
            {"name": tool.name, "effects": [*tool.profile.effects], "intents": [*tool.profile.intents]}
            for tool in tools
        ]
        messages = [SystemMessage(_INSTRUCTIONS + orjson.dumps(listed).decode()), HumanMessage(said)]
        answers: SimpleQueue[list[str]] = SimpleQueue()

        def ask() -> None:
            try:
                answer = self._asked.invoke(messages, {"callbacks": []})
                answers.put(answer.tools if isinstance(answer, RequestedTools) else [])
            except Exception:  # noqa: BLE001 - whatever a provider raises, nothing was asked for
                answers.put([])

        # A thread of its own: it can be left behind, and inherits no run whose stream would show the answer.
        Thread(target=ask, name="aisecops-scope", daemon=True).start()
        try:
            return answers.get(timeout=self._timeout)
        except Empty:
            return []
