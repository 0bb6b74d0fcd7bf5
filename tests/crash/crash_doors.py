"""Every way to a tool as a graph that can be killed: ``govern``'s own, and those of others with a door of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from aisecops_langchain import GovernanceMiddleware, GovernedToolNode, Governor, govern, govern_tools

Build = Callable[[BaseChatModel, Sequence[BaseTool], Governor, BaseCheckpointSaver], CompiledStateGraph]


def _tool_node(model, tools, governor, saver):
    return _loop(model, GovernedToolNode(tools, governor=governor), saver)


def _wrapped(model, tools, governor, saver):
    return _loop(model, ToolNode(govern_tools(tools, governor=governor)), saver)


def _middleware(model, tools, governor, saver):
    return create_agent(model, tools, middleware=[GovernanceMiddleware(governor, tools)], checkpointer=saver)


def _loop(model: BaseChatModel, node: ToolNode, saver: Any) -> CompiledStateGraph:
    """The loop of LangGraph's quickstart, which governs nothing."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", node)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver)


DOORS: Final[dict[str, Build]] = {"tool_node": _tool_node, "middleware": _middleware, "wrapped": _wrapped}


def durable(job: dict) -> dict[str, str]:
    """Options of a run that waits for its checkpoints; ``govern`` sees to that itself."""
    return {"durability": "sync"} if "door" in job else {}


def build(
    job: dict, model: BaseChatModel, tools: Sequence[BaseTool], governor: Governor, saver: BaseCheckpointSaver
) -> CompiledStateGraph:
    """Build the graph that a job asks for: through one of the doors, or the governor's own."""
    if "door" in job:
        return DOORS[job["door"]](model, tools, governor, saver)
    sealed = job.get("sealed", False)
    return govern(model, tools, governor=governor, checkpointer=saver, seal_checkpoints=sealed, spans=False)
