"""A governed agent as a tool of another one: with a warrant of its own, and words that keep their label both ways.

Invariant: each call gets a fresh warrant from whoever makes it, so the subagent can do nothing that the caller could
not; what the model writes to the subagent never counts as the user's words there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph.state import CompiledStateGraph

from aisecops_langchain.adapters.core.acting import Acting, current_call
from aisecops_langchain.adapters.identity import WARRANT_KEY
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate.data import content_key
from aisecops_langchain.adapters.translate.words import text_of
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.warrant import Warrant
from aisecops_langchain.provenance import UNKNOWN_SENDER, Carried
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.principals.warrant_claims import Limits

ENVELOPE: Final = "envelope"
"""Where an envelope stands, under our own name, in an artifact or in ``additional_kwargs``."""

Answer = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubagentTool:
    """Runs a governed agent for another one.

    Attributes:
        graph: The subagent, made by ``govern(..., warrant=warrant_of)``.
        governor: The governor of both.
        agent: Name of the subagent in the bundle.
        tools: The only tools that it may call for this caller.
        expires_in: Seconds that a warrant lasts.
        values: Arguments that may have only some values.
        budget: Ceilings by name.
        depth: How many agents further down it may delegate to.
    """

    graph: CompiledStateGraph[Any, Any, Any, Any]
    governor: Governor
    agent: str
    tools: Collection[str]
    expires_in: int = 600
    values: Limits | None = None
    budget: Mapping[str, int] | None = None
    depth: int = 0

    def run(self, task: str, config: RunnableConfig) -> Answer:
        """Hand a task to the subagent and wait for its answer."""
        now = current_call()
        warrant = self._warrant(now)
        given, settings = self._given(task, now, warrant), _settings(config, warrant)
        return self._answer(_apart().run(self.graph.invoke, given, settings), now, warrant)

    async def arun(self, task: str, config: RunnableConfig) -> Answer:
        """The same without blocking the event loop for the subagent's own work."""
        now = current_call()
        warrant = await asyncio.to_thread(self._warrant, now)
        given, settings = self._given(task, now, warrant), _settings(config, warrant)
        working = asyncio.create_task(self.graph.ainvoke(given, settings), context=_apart())
        return self._answer(await working, now, warrant)

    def _warrant(self, now: Acting) -> Warrant:
        return self.governor.delegate(
            now.scope,
            agent=self.agent,
            tools=self.tools,
            expires_in=self.expires_in,
            values=self.values,
            budget=self.budget,
            depth=self.depth,
        )

    def _given(self, task: str, now: Acting, warrant: Warrant) -> dict[str, Any]:
        identity = warrant.claims.digest()
        envelope = self.governor.messages.close_over(
            task, recipient=identity, sender=now.scope.principal.agent, warrant=identity, label=now.based_on()
        )
        return {MESSAGES: [HumanMessage(task, additional_kwargs={CHANNEL: {ENVELOPE: envelope}})]}

    def _answer(self, result: Mapping[str, Any], now: Acting, warrant: Warrant) -> Answer:
        final: BaseMessage = result[MESSAGES][-1]
        text = text_of(final)
        envelope = self.governor.messages.close_over(
            text,
            recipient=now.recipient,
            sender=self.agent,
            warrant=warrant.claims.digest(),
            label=self._label(result.get(CHANNEL), final),
        )
        return text, {CHANNEL: {ENVELOPE: envelope}}

    def _label(self, memory: object, final: BaseMessage) -> Label:
        """Open the label that was sealed for the subagent's last words: the join of what it saw."""
        found = memory if isinstance(memory, Mapping) else {}
        labels, trace = found.get("labels"), found.get("trace")
        key = content_key(final)
        sealed = labels.get(key) if isinstance(labels, Mapping) else None
        return self.governor.labels.open(f"run-{trace}", key, sealed) or UNKNOWN_SENDER


def subagent_tool(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    governor: Governor,
    *,
    agent: str,
    tools: Collection[str],
    name: str,
    description: str,
    expires_in: int = 600,
    values: Limits | None = None,
    budget: Mapping[str, int] | None = None,
    depth: int = 0,
) -> BaseTool:
    """Make a governed agent a tool of another governed agent.

    A subagent that runs inside a tool cannot wait for a person: a call of it that needs approval is refused. Use the
    subagent as a node of a graph where it has to ask.

    Args:
        graph: The subagent, made by ``govern(..., governor=governor, warrant=warrant_of)``.
        governor: The governor of both.
        agent: Name of the subagent in the bundle.
        tools: The only tools that it may call for this caller.
        name: Name of the tool.
        description: What the calling model is told.
        expires_in: Seconds that the warrant of one call lasts.
        values: Arguments that may have only some values.
        budget: Ceilings by name.
        depth: How many agents further down it may delegate to in turn.

    Returns:
        The tool; govern it as any other.
    """
    alone = graph.copy({"checkpointer": False})
    made = SubagentTool(
        graph=alone,
        governor=governor,
        agent=agent,
        tools=tuple(tools),
        expires_in=expires_in,
        values=values,
        budget=budget,
        depth=depth,
    )

    def run(task: str, config: RunnableConfig) -> Answer:
        return made.run(task, config)

    async def arun(task: str, config: RunnableConfig) -> Answer:
        return await made.arun(task, config)

    return StructuredTool.from_function(
        run, arun, name=name, description=description, response_format="content_and_artifact"
    )


def carried(governor: Governor, message: BaseMessage, found: object, *, recipient: str) -> Carried | None:
    """Open the envelope of a message from another agent.

    Args:
        governor: Holds the key.
        message: The message as it arrived.
        found: Its artifact or ``additional_kwargs``; anything at all.
        recipient: Where it arrived.

    Returns:
        What it proves, or ``None`` if it carries no envelope that opens here.
    """
    ours = found.get(CHANNEL) if isinstance(found, Mapping) else None
    envelope = ours.get(ENVELOPE) if isinstance(ours, Mapping) else None
    return None if envelope is None else governor.messages.open(text_of(message), recipient=recipient, found=envelope)


def _apart() -> Context:
    """Make a context without the caller's configuration, which LangGraph hands down: thread, checkpointer, task."""
    context = copy_context()
    context.run(var_child_runnable_config.set, None)
    return context


def _settings(config: RunnableConfig, warrant: Warrant) -> RunnableConfig:
    """Configure the subagent's run: the caller's callbacks, and nothing of the caller's place but the warrant."""
    settings = RunnableConfig(configurable={WARRANT_KEY: warrant.model_dump_json()})
    if "callbacks" in config:
        settings["callbacks"] = config["callbacks"]
    return settings
