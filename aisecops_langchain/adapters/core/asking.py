"""Asking a person about one call in the middle of a node that may be working on others.

LangGraph gives a plain answer (``Command(resume=...)``) to the first interrupt that a task reaches, and threads of one
task reach them in any order. Invariant: in one pass of a task at most one question is open, and each question lives in
a graph of its own, whose checkpoint holds the call; so whichever thread comes first, an answer goes to the call that
was shown.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypedDict, cast

from langchain_core.messages import ToolCall
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, StateGraph

from aisecops_langchain.adapters.nodes.approval import ApprovalNode
from aisecops_langchain.adapters.nodes.orders import Order
from aisecops_langchain.adapters.state import merge_governance

_SCRATCHPAD: Final = "__pregel_scratchpad"
"""LangGraph makes one for each pass of a task: all calls of that pass share it, and no other pass does."""

_REMEMBERED: Final = 1024


class _Question(TypedDict, total=False):
    """State of the graph that asks about one call: an order."""

    aisecops: Annotated[dict[str, Any], merge_governance]
    call: ToolCall
    plan: str
    permit: str


@dataclass(slots=True)
class _Pass:
    """One pass of a task."""

    scratchpad: object
    lock: threading.Lock = field(default_factory=threading.Lock)
    alock: asyncio.Lock = field(default_factory=asyncio.Lock)
    paused: GraphBubbleUp | None = None
    """What pauses the graph already; it will pass here again."""


class Asking:
    """Raises one interrupt for one call, and waits its turn where another call of the same task is asked about.

    Args:
        node: Asks, and keeps the answer.
    """

    def __init__(self, node: ApprovalNode) -> None:
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(_Question)
        graph.add_node("approve", node)
        graph.add_edge(START, "approve").add_edge("approve", END)
        self._graph = graph.compile(name="approval")
        self._passes: OrderedDict[int, _Pass] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, order: Order, config: RunnableConfig | None) -> Mapping[str, Any]:
        """Ask about a call.

        Args:
            order: The call.
            config: The configuration of the node that works on it.

        Returns:
            What the governance channel is told of the answer, which may have been to another call of this task.

        Raises:
            GraphBubbleUp: If the graph has to wait for this answer or another one.
        """
        now = self._now(config)
        if now is None:
            return {}
        with now.lock:
            if now.paused is not None:
                raise now.paused
            try:
                return cast("Mapping[str, Any]", self._graph.invoke(cast("Any", order), config))
            except GraphBubbleUp as pause:
                now.paused = pause
                raise

    async def aask(self, order: Order, config: RunnableConfig | None) -> Mapping[str, Any]:
        """Ask about a call without blocking the event loop; see ``ask``."""
        now = self._now(config)
        if now is None:
            return {}
        async with now.alock:
            if now.paused is not None:
                raise now.paused
            try:
                return cast("Mapping[str, Any]", await self._graph.ainvoke(cast("Any", order), config))
            except GraphBubbleUp as pause:
                now.paused = pause
                raise

    def _now(self, config: RunnableConfig | None) -> _Pass | None:
        """Find the pass that this call belongs to; ``None`` outside a task, where nothing can wait."""
        scratchpad = ensure_config(config).get("configurable", {}).get(_SCRATCHPAD)
        if scratchpad is None:
            return None
        with self._lock:
            found = self._passes.get(id(scratchpad))
            if found is None or found.scratchpad is not scratchpad:
                found = self._passes[id(scratchpad)] = _Pass(scratchpad)
            self._passes.move_to_end(id(scratchpad))
            while len(self._passes) > _REMEMBERED:
                self._passes.popitem(last=False)
        return found
