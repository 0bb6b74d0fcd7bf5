"""Mistakes in wiring that refuse nothing by themselves are told, so that nobody looks for them in the wrong place."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from adapter_kit import POLICY, THREAD, Office, open_governor, says
from langchain_core.tools import StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, Field

from aisecops_langchain import GovernedToolNode, Principal, govern, govern_tools
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.testing import ScriptedChatModel, call

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


class Payment(BaseModel):
    """Arguments whose names in Python are not those of the call."""

    to: str = Field(alias="recipient")
    amount: float = Field(alias="sum")


@pytest.mark.parametrize(("names", "fits"), [(("recipient", "sum"), True), (("to", "amount"), False)])
def test_a_profile_must_name_arguments_as_calls_do(tmp_path: Path, names: tuple[str, str], fits: bool) -> None:
    """By another name, a budget of recipients would count none."""
    target, amount = names
    profile = f"tools: {{pay: {{effects: [spend], targets: [{target}], amounts: [{amount}]}}}}"
    paying = StructuredTool.from_function(
        lambda to, amount: "paid", name="pay", description="Pay.", args_schema=Payment
    )
    with open_governor(tmp_path, f"{POLICY}\n{profile}") as governor:
        if fits:
            assert toolbox_for(governor, [paying])["pay"].argument_names == frozenset({"recipient", "sum"})
            return
        with pytest.raises(ConfigurationError, match=r"expected: recipient, sum; got: amount, to"):
            toolbox_for(governor, [paying])


class Stamp(BaseModel):
    """Arguments with a default that nobody can decide on."""

    text: str
    mark: str = Field(default_factory=lambda: uuid4().hex)
    tags: list[str] = Field(default_factory=list)


async def test_a_default_that_varies_is_told_and_never_runs(quick: Office, caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []

    def stamp(text: str, mark: str, tags: list[str]) -> str:
        ran.append(mark)
        return "noted"

    noting = StructuredTool.from_function(stamp, name="note", description="Take a note.", args_schema=Stamp)
    graph = quick.agent([call("note", text="x"), call("note", "n2", text="x", mark="m")], "done", tools=[noting])
    assert caplog.messages == ["a call never runs that leaves out an argument whose default varies: note.mark"]
    await quick.run(graph, says("note"))
    assert ran == ["m"]


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
