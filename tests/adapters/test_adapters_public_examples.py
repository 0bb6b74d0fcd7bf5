"""LangGraph's and LangChain's public examples with one line changed: where policy allows, they end as without us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from adapter_kit import APPROVE, REJECT, Office, allowing, open_governor, says
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.messages import AnyMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent, tools_condition
from langgraph.types import Command

from aisecops_langchain import GovernanceMiddleware, GovernedToolNode, Governor, govern_tools, governed_agent
from aisecops_langchain.testing import ScriptedChatModel, call


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It's always sunny in {city}!"


@tool
def write_file(path: str, text: str) -> str:
    """Write a file."""
    return f"wrote {len(text)} characters to {path}"


@tool
def read_data(query: str) -> str:
    """Read data."""
    return f"3 rows for {query}"


TOOLS = [multiply, get_weather, write_file, read_data]
SCRIPTS: dict[str, list[Any]] = {
    "quickstart": [call("multiply", "m", a=6, b="7"), "42"],
    "weather": [[call("get_weather", "sf", city="San Francisco")], "It is sunny in San Francisco."],
    "two at once": [[call("get_weather", "1", city="Bern"), call("multiply", "2", a=2, b=2)], "Sunny, and 4."],
    "no tool": ["Hello!"],
    "steps": [[call("read_data", "r", query="q")], [call("write_file", "w", path="a", text="abc")], "Written."],
}


def graph_of(node: Any) -> Callable[[Any, Any], Any]:
    def build(model: Any, _tools: Any) -> Any:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
        builder.add_node("llm", lambda state: {"messages": [model.invoke(state["messages"])]})
        builder.add_node("tools", node)
        builder.add_edge(START, "llm")
        builder.add_conditional_edges("llm", tools_condition)
        builder.add_edge("tools", "llm")
        return builder.compile(checkpointer=InMemorySaver())

    return build


PLAIN: dict[str, Callable[[Any, Any], Any]] = {
    "graph": lambda model, tools: graph_of(ToolNode(tools))(model, tools),
    "create_agent": lambda model, tools: create_agent(
        model, tools, system_prompt="Help.", checkpointer=InMemorySaver()
    ),
    "react": lambda model, tools: create_react_agent(model, tools, checkpointer=InMemorySaver()),
}

GOVERNED: dict[str, tuple[str, Callable[[Governor, Any, Any], Any]]] = {
    "GovernedToolNode": ("graph", lambda g, model, tools: graph_of(GovernedToolNode(tools, governor=g))(model, tools)),
    "GovernanceMiddleware": (
        "create_agent",
        lambda g, model, tools: create_agent(
            model,
            tools,
            system_prompt="Help.",
            middleware=[GovernanceMiddleware(g)],
            checkpointer=InMemorySaver(),
        ),
    ),
    "governed_agent": (
        "create_agent",
        lambda g, model, tools: governed_agent(
            model, tools, governor=g, system_prompt="Help.", checkpointer=InMemorySaver()
        ),
    ),
    "govern_tools in a graph": (
        "graph",
        lambda g, model, tools: PLAIN["graph"](model, govern_tools(tools, governor=g)),
    ),
    "govern_tools in create_agent": (
        "create_agent",
        lambda g, model, tools: PLAIN["create_agent"](model, govern_tools(tools, governor=g)),
    ),
    "govern_tools in create_react_agent": (
        "react",
        lambda g, model, tools: PLAIN["react"](model, govern_tools(tools, governor=g)),
    ),
    "GovernedToolNode in create_react_agent": (
        "react",
        lambda g, model, tools: PLAIN["react"](model, GovernedToolNode(tools, governor=g)),
    ),
}


def shown(messages: list[AnyMessage]) -> list[Any]:
    """What a person or a model sees of messages."""
    return [
        (
            message.type,
            message.content,
            message.name,
            [(item["name"], item["id"]) for item in getattr(message, "tool_calls", [])],
            getattr(message, "status", None),
            getattr(message, "artifact", None),
        )
        for message in messages
    ]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("way", GOVERNED)
async def test_the_same_messages_as_without_us(quick: Office, way: str, script: str) -> None:
    kind, build = GOVERNED[way]
    plain = ScriptedChatModel(script=SCRIPTS[script])
    without = await quick.run(PLAIN[kind](plain, TOOLS), says("hi"))
    with open_governor(quick.home / "all", allowing(*(item.name for item in TOOLS))) as governor:
        model = ScriptedChatModel(script=SCRIPTS[script])
        result = await quick.run(build(governor, model, TOOLS), says("hi"))
    assert shown(result["messages"]) == shown(without["messages"])
    assert [shown(turn) for turn in model.seen] == [shown(turn) for turn in plain.seen], "the model saw the same"


HITL = """
version: 1
id: hitl
agents: {assistant: {capabilities: [all]}}
capabilities: {all: {tools: [write_file, read_data], risk: low}}
rules:
  - {id: reading, effect: allow, tools: [read_data]}
  - {id: writing, effect: require_approval, tools: [write_file]}
"""


@pytest.mark.parametrize("answer", [APPROVE, REJECT], ids=["approve", "reject"])
async def test_the_human_in_the_loop_example_asks_by_policy(quick: Office, answer: Any) -> None:
    """The same question and the same answer, with the review in the policy instead of in a middleware."""
    script = [[call("read_data", "r", query="q"), call("write_file", "w", path="a", text="abc")], "Done."]
    hitl = HumanInTheLoopMiddleware(interrupt_on={"write_file": True, "read_data": False})
    plain = create_agent(ScriptedChatModel(script=script), TOOLS[2:], middleware=[hitl], checkpointer=InMemorySaver())
    without = await quick.run(plain, says("hi"))
    with open_governor(quick.home / "hitl", HITL) as governor:
        graph = governed_agent(
            ScriptedChatModel(script=script), TOOLS[2:], governor=governor, checkpointer=InMemorySaver()
        )
        asked = await quick.run(graph, says("hi"))
        (theirs,), (ours,) = (item["__interrupt__"] for item in (without, asked))
        first = {key: theirs.value["action_requests"][0][key] for key in ("name", "args")}
        assert {key: ours.value["action_requests"][0][key] for key in ("name", "args")} == first
        result = await quick.run(graph, Command(resume=answer))
    said = {message.tool_call_id: message.content for message in result["messages"] if message.type == "tool"}
    assert said["r"] == "3 rows for q"
    assert said["w"].startswith("wrote 3" if answer is APPROVE else "Not executed.")
    assert result["messages"][-1].content == "Done."
