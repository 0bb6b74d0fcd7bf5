"""Small graphs and a recording tool for the host tests.

Invariant: what ran is read from `Bank.paid`, a list that only the tool itself writes.
"""

from __future__ import annotations

import asyncio
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, ToolCall
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph, StateGraph
from langgraph.types import StateSnapshot

THREAD: dict[str, Any] = {"configurable": {"thread_id": "t1"}}


class ChatState(TypedDict, total=False):
    """Messages and an audit list, each with its reducer."""

    messages: Annotated[list[AnyMessage], add_messages]
    audit: Annotated[list[str], operator.add]


@dataclass(frozen=True)
class Host:
    """Drives one graph, sync (off the event loop) or async, and gives the checkpointer for it."""

    saver: BaseCheckpointSaver[Any] | None
    is_async: bool

    async def run(self, graph: CompiledStateGraph, given: Any, config: dict[str, Any] = THREAD, **kw: Any) -> Any:
        """Invoke the graph."""
        if self.is_async:
            return await graph.ainvoke(given, config, **kw)
        return await asyncio.to_thread(graph.invoke, given, config, **kw)

    async def update(self, graph: CompiledStateGraph, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Write into the saved state of the thread."""
        if self.is_async:
            return await graph.aupdate_state(THREAD, values, as_node)
        return await asyncio.to_thread(graph.update_state, THREAD, values, as_node)

    async def state(self, graph: CompiledStateGraph) -> StateSnapshot:
        """Read the saved state of the thread."""
        if self.is_async:
            return await graph.aget_state(THREAD)
        return await asyncio.to_thread(graph.get_state, THREAD)

    def compile(self, builder: StateGraph, **kw: Any) -> CompiledStateGraph:
        """Compile with this host's checkpointer."""
        return builder.compile(checkpointer=self.saver, **kw)


@dataclass(frozen=True)
class Bank:
    """A tool with an effect, and the record of that effect."""

    paid: list[str] = field(default_factory=list)

    @property
    def pay(self) -> BaseTool:
        """The tool `pay(payee)`."""

        @tool
        def pay(payee: str) -> str:
            """Pay someone."""
            self.paid.append(payee)
            return f"paid {payee}"

        return pay


def pay_call(payee: str, call_id: str = "c1") -> ToolCall:
    """The call `pay(payee)` as a model proposes it."""
    return ToolCall(name="pay", args={"payee": payee}, id=call_id, type="tool_call")


def proposal(*payees: str) -> AIMessage:
    """A model's message, with the id `ai`, that proposes to pay everyone named."""
    return AIMessage("", id="ai", tool_calls=[pay_call(p, f"c{n}") for n, p in enumerate(payees, start=1)])
