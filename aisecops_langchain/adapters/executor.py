"""The executor node: the only place of a governed graph where a tool runs, one call at a time, under a permit.

Invariant: a shell over ``Carrier`` and LangGraph's ``ToolNode``; it decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from aisecops_langchain.adapters.carrying import Carried, Carrier
from aisecops_langchain.adapters.node import GovernanceNode, mapping_of
from aisecops_langchain.adapters.place import PrincipalSource, traced
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.tools import GovernedTool
from aisecops_langchain.runtime.governor import Governor

_READ_STATE: Final = "__pregel_read_state"


class ExecutorNode(GovernanceNode):
    """Runs permitted calls through LangGraph's ``ToolNode``.

    Args:
        tools: The governed tools.
        governor: Uses permits up, records intents and outcomes, inspects results.
        principal: Who acts.
    """

    def __init__(self, tools: Mapping[str, GovernedTool], governor: Governor, principal: PrincipalSource) -> None:
        super().__init__(governor, principal)
        self._carrier = Carrier(tools, governor)
        self._node = ToolNode([tool.tool for tool in tools.values()], handle_tool_errors=False)

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> Any:
        """Run one call, if its permit lets it."""
        place = self.locate(state, config)
        settings = _with_whole_state(traced(config, place))
        return _update(self._carrier.carry(place, state, lambda call: self._node.invoke([call], settings)))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Run one call on the event loop; the accounting runs in worker threads."""
        state = mapping_of(input)
        place = await asyncio.to_thread(self.locate, state, config)
        settings = _with_whole_state(traced(config, place))
        return _update(await self._carrier.acarry(place, state, lambda call: self._node.ainvoke([call], settings)))


def _with_whole_state(config: RunnableConfig) -> RunnableConfig:
    """Let tools be injected the graph's state: LangGraph would coerce it to the schema of this node, an order."""
    configured = config.get("configurable", {})
    return {**config, "configurable": {key: value for key, value in configured.items() if key != _READ_STATE}}


def _update(carried: Carried) -> Any:
    """Turn what came of a call into updates of state, with its labels beside it."""
    output = carried.output
    if output is None:
        return {}
    labels = {CHANNEL: {"labels": carried.labels}}
    if isinstance(output, BaseMessage):
        return {MESSAGES: [output], **labels}
    if isinstance(output, dict):
        return {**output, **labels}
    return [*output, Command(update=labels)]
