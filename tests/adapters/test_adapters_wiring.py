"""Mistakes in wiring that refuse nothing by themselves are told, so that nobody looks for them in the wrong place."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from adapter_kit import THREAD, Office, says
from langgraph.graph import START, MessagesState, StateGraph

from aisecops_langchain import GovernedToolNode, Principal, govern, govern_tools
from aisecops_langchain.testing import ScriptedChatModel

LAGS = "may lag behind"


def quiet(office: Office, tools: Any = None, **who: Any) -> Any:
    """A governed agent that only says that it is done."""
    known = [item for item in office.tools() if item.name != "wipe"]
    model = ScriptedChatModel(script=["done"])
    return govern(model, known if tools is None else tools, governor=office.governor, **who)


@pytest.mark.parametrize("who", [{"agent": "clrek"}, {"principal": Principal(agent="clrek")}])
def test_an_agent_that_policy_does_not_know_is_told(
    quick: Office, caplog: pytest.LogCaptureFixture, who: dict[str, Any]
) -> None:
    quiet(quick, agent="clerk")
    assert not caplog.records
    quiet(quick, **who)
    assert "does not know; it knows clerk" in caplog.text
    assert "'clrek'" in caplog.text


@pytest.mark.parametrize("door", ["govern", "govern_tools", "tool_node"])
def test_a_tool_that_policy_does_not_know_is_told(quick: Office, caplog: pytest.LogCaptureFixture, door: str) -> None:
    tools = quick.tools()
    if door == "govern":
        quiet(quick, tools)
    elif door == "govern_tools":
        govern_tools(tools, governor=quick.governor)
    else:
        GovernedToolNode(tools, governor=quick.governor)
    (told,) = caplog.messages
    assert told.endswith("which it does not know: wipe")


@pytest.mark.parametrize(
    ("durability", "lags"), [({}, True), ({"durability": "exit"}, True), ({"durability": "sync"}, False)]
)
async def test_a_parent_graph_whose_checkpoints_lag_behind_is_told(
    quick: Office, caplog: pytest.LogCaptureFixture, durability: dict[str, Any], lags: bool
) -> None:
    builder = StateGraph(MessagesState)
    builder.add_node("agent", quiet(quick))
    builder.add_edge(START, "agent")
    graph = builder.compile(checkpointer=quick.driver.saver)
    with caplog.at_level(logging.WARNING):
        await quick.run(graph, says("hello"), **durability)
    assert (LAGS in caplog.text) is lags


async def test_an_agent_that_keeps_its_own_checkpoints_in_step_is_not_told(
    quick: Office, unsaved: Office, caplog: pytest.LogCaptureFixture
) -> None:
    await quick.run(quick.agent("done"), says("hello"), THREAD)
    await unsaved.run(unsaved.agent("done"), says("hello"))
    assert LAGS not in caplog.text
    await quick.run(quick.agent("done"), says("hello"), THREAD, durability="async")
    assert LAGS in caplog.text
