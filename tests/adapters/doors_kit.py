"""Graphs that somebody else built, with governance at each of its doors.

Invariant: nothing here governs; each graph is what its owner would have written without us, but for one line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from adapter_kit import Office
from langchain.agents import create_agent
from langchain_core.tools import BaseTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition
from langgraph.types import Command

from aisecops_langchain import GovernanceMiddleware, GovernedToolNode, govern_tools
from aisecops_langchain.testing import ScriptedChatModel

Tools = Sequence[BaseTool | Callable[..., Any]]


def loop(model: Any, node: Any, saver: Any, schema: Any = MessagesState, **node_options: Any) -> CompiledStateGraph:
    """The loop of LangGraph's quickstart: a model, a tool node, and ``tools_condition`` between them."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(schema)
    builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", node, **node_options)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver)


def _tool_node(office: Office, model: Any, tools: Tools, **who: Any) -> CompiledStateGraph:
    return loop(model, GovernedToolNode(tools, governor=office.governor, **who), office.driver.saver)


def _middleware(office: Office, model: Any, tools: Tools, **who: Any) -> CompiledStateGraph:
    ours = GovernanceMiddleware(office.governor, tools, **who)
    return create_agent(model, list(tools), middleware=[ours], checkpointer=office.driver.saver)


def _wrapped(office: Office, model: Any, tools: Tools, **who: Any) -> CompiledStateGraph:
    return loop(model, ToolNode(govern_tools(tools, governor=office.governor, **who)), office.driver.saver)


def _wrapped_agent(office: Office, model: Any, tools: Tools, **who: Any) -> CompiledStateGraph:
    wrapped = govern_tools(tools, governor=office.governor, **who)
    return create_agent(model, wrapped, checkpointer=office.driver.saver)


def _wrapped_react(office: Office, model: Any, tools: Tools, **who: Any) -> CompiledStateGraph:
    wrapped = govern_tools(tools, governor=office.governor, **who)
    return create_react_agent(model, wrapped, checkpointer=office.driver.saver)


DOORS: Final[dict[str, Callable[..., CompiledStateGraph]]] = {
    "tool_node": _tool_node,
    "middleware": _middleware,
    "wrapped": _wrapped,
    "wrapped_agent": _wrapped_agent,
}
"""Doors that can wait for a person."""

REACT: Final = _wrapped_react


def through(
    door: str, office: Office, *script: Any, tools: Tools | None = None, repeat: bool = False, **who: Any
) -> Any:
    """Build the graph of a door, whose model plays a script."""
    model = ScriptedChatModel(script=list(script), repeat_last=repeat)
    return DOORS[door](office, model, office.tools() if tools is None else tools, **who)


def asked_about(result: Any) -> list[str]:
    """Whom the open questions are about, in order."""
    return [item.value["action_requests"][0]["args"]["to"] for item in result.get("__interrupt__", ())]


def verdicts(result: Any, **named: Any) -> dict[str, Any]:
    """A resume map: an answer for each open question that is about somebody named."""
    about = [(item.value["action_requests"][0]["args"]["to"], item.id) for item in result["__interrupt__"]]
    return {question: named[to] for to, question in about if to in named}


async def answered(office: Office, graph: Any, result: Any, config: Any = None, /, **named: Any) -> Any:
    """Answer open questions, in as many rounds as it takes."""
    settings = {} if config is None else {"config": config}
    for _ in range(12):
        if "__interrupt__" not in result:
            break
        result = await office.run(graph, Command(resume=verdicts(result, **named)), **settings)
    return result
