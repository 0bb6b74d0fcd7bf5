"""The executor node: the only place of a governed graph where a tool runs, one call at a time, under a permit.

Invariant: a shell over ``Carrier`` and LangGraph's ``ToolNode``; it decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from langchain_core.messages import BaseMessage, ToolCall
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from aisecops_langchain.adapters.core.carrying import Carried, Carrier
from aisecops_langchain.adapters.core.place import Place, PrincipalSource, traced
from aisecops_langchain.adapters.memory.store import with_governed_store
from aisecops_langchain.adapters.nodes.node import GovernanceNode, mapping_of
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.adapters.tools.host_tools import has_coroutine, tool_node
from aisecops_langchain.adapters.tools.keys import hide_keys
from aisecops_langchain.runtime.governor import Governor

_READ_STATE: Final = "__pregel_read_state"
"""Where LangGraph (1.2.24 on) lets tools read state as far as this node's input schema shows it, and that is an order;
without it, a tool that wants state is given all of it."""


class ExecutorNode(GovernanceNode):
    """Runs permitted calls through LangGraph's ``ToolNode``.

    Args:
        tools: The governed tools.
        governor: Uses permits up, records intents and outcomes, inspects results.
        principal: Who acts.
    """

    def __init__(self, tools: Mapping[str, GovernedTool], governor: Governor, principal: PrincipalSource) -> None:
        super().__init__(governor, principal)
        hide_keys(governor, tools)
        self._tools = tools
        self._carrier = Carrier(tools, governor)
        self._node = tool_node([tool.tool for tool in tools.values()])

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> Any:
        """Run one call, if its permit lets it."""
        place = self.locate(state, config)
        settings = self._for_tools(config, place)
        return _update(self._carrier.carry(place, state, lambda call: self._node.invoke([call], settings)))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Run one call on the event loop; the accounting runs in worker threads."""
        state = mapping_of(input)
        place = await asyncio.to_thread(self.locate, state, config)
        settings = self._for_tools(config, place)

        def blocking(call: ToolCall) -> Any:
            return self._node.invoke([call], settings)

        return _update(
            await self._carrier.acarry(
                place,
                state,
                lambda call: self._node.ainvoke([call], settings),
                blocking=blocking if self._is_blocking(state) else None,
            )
        )

    def _for_tools(self, config: RunnableConfig | None, place: Place) -> RunnableConfig:
        """Derive the configuration that tools run with; whatever store the graph has, they get the governed one."""
        known = traced(config, place)
        kept = {key: item for key, item in known.get("configurable", {}).items() if key != _READ_STATE}
        return {**known, "configurable": with_governed_store(kept, self._governor, self._principal)}

    def _is_blocking(self, order: Mapping[str, Any]) -> bool:
        """Whether an order is for a tool that has no coroutine."""
        call = order.get("call")
        tool = self._tools.get(str(call.get("name"))) if isinstance(call, Mapping) else None
        return tool is not None and not has_coroutine(tool.tool)


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
