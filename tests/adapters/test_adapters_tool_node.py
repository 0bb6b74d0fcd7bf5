"""``GovernedToolNode`` stands in for LangGraph's ``ToolNode``: the same states, shapes and tools, under a governor."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from adapter_kit import APPROVE, THREAD, Office, allowing, answers, edit, open_governor, says
from doors_kit import loop
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import InjectedState, ToolNode, ToolRuntime, create_react_agent
from langgraph.types import Command, Send
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from aisecops_langchain import GovernanceState, GovernedToolNode, IntakeNode, Principal
from aisecops_langchain.adapters.translate.data import content_key
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.testing import ScriptedChatModel, call

SEARCH = call("search", "s", query="rates")
PAY = call("pay", "p", to="alice", amount=5)


def node(office: Office, tools: Any = None, **kw: Any) -> GovernedToolNode:
    return GovernedToolNode(office.tools() if tools is None else tools, governor=office.governor, **kw)


class _Case(MessagesState):
    case: str
    seen: Annotated[list[str], operator.add]


async def test_tools_see_the_state_of_the_graph_and_may_change_it(office: Office) -> None:
    @tool
    def search(query: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Search the files."""
        return f"{query} in {state['case']}"

    @tool
    def note(text: str, runtime: ToolRuntime) -> Command:
        """Take a note."""
        message = ToolMessage("noted", tool_call_id=runtime.tool_call_id)
        return Command(update={"messages": [message], "seen": [text]})

    model = ScriptedChatModel(script=[[SEARCH, call("note", "n", text="one"), call("note", "o", text="two")], "done"])
    graph = loop(model, node(office, [search, note]), office.driver.saver, _Case)
    result = await office.run(graph, {**says("go"), "case": "c7"})
    assert sorted(answers(result)) == ["noted", "noted", "rates in c7"]
    assert sorted(result["seen"]) == ["one", "two"]


async def test_refusals_and_results_stand_side_by_side(office: Office) -> None:
    calls = [SEARCH, call("wipe", "w", path="/"), call("shell", "x", cmd="x"), {**SEARCH, "id": ""}]
    model = ScriptedChatModel(script=[calls, "done"])
    result = await office.run(loop(model, node(office), office.driver.saver), says("go"))
    said = {message.tool_call_id: message for message in result["messages"] if isinstance(message, ToolMessage)}
    assert said["s"].content == "found rates"
    assert {said["w"].status, said["x"].status} == {"error"}
    assert office.ran == ["search rates"]


async def test_streaming_shows_each_message_once(office: Office) -> None:
    model = ScriptedChatModel(script=[[SEARCH, call("wipe", "w", path="/")], "done"])
    graph = loop(model, node(office), office.driver.saver)
    chunks = await office.driver.stream(graph, says("go"), stream_mode="messages")
    said = [chunk[0].content for chunk in chunks if chunk[0].content]
    assert said == ["Not executed. Policy does not allow this call.", "found rates", "done"]


async def test_a_tool_that_raises_is_answered_neutrally(office: Office) -> None:
    @tool
    def search(query: str) -> str:
        """Search the files."""
        raise ValueError("the password is hunter2")

    model = ScriptedChatModel(script=[[SEARCH], "done"])
    result = await office.run(loop(model, node(office, [search]), office.driver.saver), says("go"))
    assert answers(result) == ["The tool failed (ValueError)."]
    assert [event.error for event in office.of("execution_failed")] == ["ValueError"]


class _Pydantic(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    chat: Annotated[list[AnyMessage], add_messages] = []


class _Other(TypedDict):
    chat: Annotated[list[AnyMessage], add_messages]


@pytest.mark.parametrize("schema", [_Other, _Pydantic])
async def test_another_key_and_a_pydantic_state(office: Office, schema: Any) -> None:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(schema)
    builder.add_node("model", lambda _: {"chat": [AIMessage("", tool_calls=[SEARCH, PAY])]})
    builder.add_node("tools", node(office, messages_key="chat"))
    builder.add_edge(START, "model").add_edge("model", "tools")
    graph = builder.compile(checkpointer=office.driver.saver)
    await office.run(graph, {"chat": [("user", "go")]})
    result = await office.run(graph, Command(resume=APPROVE))
    assert [message.content for message in result["chat"][2:]] == ["found rates", "paid alice"]


async def test_a_state_that_is_a_list_of_messages(office: Office) -> None:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Annotated[list[AnyMessage], add_messages])
    builder.add_node("model", lambda _: [AIMessage("", tool_calls=[SEARCH, PAY, call("wipe", "w", path="/")])])
    builder.add_node("tools", node(office))
    builder.add_edge(START, "model").add_edge("model", "tools")
    graph = builder.compile(checkpointer=office.driver.saver)
    await office.run(graph, [HumanMessage("go")])
    result = await office.run(graph, Command(resume=APPROVE))
    assert sorted(office.ran) == ["pay alice 5", "search rates"]
    assert [type(message).__name__ for message in result] == ["HumanMessage", "AIMessage", *["ToolMessage"] * 3]


async def test_one_call_by_send_is_decided_on_alone(office: Office) -> None:
    def spread(state: Any) -> list[Send]:
        return [Send("tools", [item]) for item in state["messages"][-1].tool_calls]

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("model", lambda _: {"messages": [AIMessage("", tool_calls=[SEARCH, PAY])]})
    builder.add_node("tools", node(office))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", spread, ["tools"])
    graph = builder.compile(checkpointer=office.driver.saver)
    result = await office.run(graph, says("go"))
    assert len(result["__interrupt__"]) == 1
    result = await office.run(graph, Command(resume=APPROVE))
    assert answers(result) == ["found rates", "paid alice"]


@pytest.mark.parametrize("again", ["goto", "send", "send-edited", "after-new-words"])
async def test_what_ran_does_not_run_again_however_it_is_handed_in(office: Office, again: str) -> None:
    """ToolNode runs the calls of the last message of a model again, however old."""
    model = ScriptedChatModel(script=[[SEARCH, call("note", "n", text="one")], "done"], repeat_last=True)
    graph = loop(model, node(office), office.driver.saver)
    result = await office.run(graph, says("go"))
    evil = {**SEARCH, "args": {"query": "evil"}}
    proposal = result["messages"][1]
    unanswered = [RemoveMessage(id=item.id) for item in result["messages"] if isinstance(item, ToolMessage)]
    way = {
        "goto": Command(goto="tools", update={"messages": [*unanswered, RemoveMessage(id=result["messages"][-1].id)]}),
        "send": Command(goto=Send("tools", [SEARCH]), update={"messages": unanswered}),
        "send-edited": Command(goto=Send("tools", [evil]), update={"messages": unanswered}),
        "after-new-words": Command(goto="tools", update={"messages": [HumanMessage("and?"), proposal]}),
    }[again]
    await office.run(graph, way)
    assert sorted(office.ran) == ["note one", "search rates"]


async def test_create_react_agent_takes_it_for_its_tool_node(office: Office) -> None:
    model = ScriptedChatModel(script=[[SEARCH, PAY], "done"])
    graph = create_react_agent(model, node(office), checkpointer=office.driver.saver)
    await office.run(graph, says("go"))
    result = await office.run(graph, Command(resume=APPROVE))
    assert answers(result) == ["found rates", "paid alice"]


async def test_an_edit_stands_in_the_conversation(office: Office) -> None:
    model = ScriptedChatModel(script=[[SEARCH, PAY], "done"])
    graph = loop(model, node(office), office.driver.saver)
    await office.run(graph, says("go"))
    result = await office.run(graph, Command(resume=edit("pay", to="alice", amount=3)))
    assert sorted(office.ran) == ["pay alice 3", "search rates"]
    assert [item["args"] for item in result["messages"][1].tool_calls if item["name"] == "pay"] == [
        {"to": "alice", "amount": 3.0}
    ]


async def test_an_edit_of_one_sent_call_leaves_the_message_whole(office: Office) -> None:
    model = ScriptedChatModel(script=[[SEARCH, PAY], "done"])
    graph = create_react_agent(model, node(office), checkpointer=office.driver.saver)
    await office.run(graph, says("go"))
    result = await office.run(graph, Command(resume=edit("pay", to="alice", amount=3)))
    assert sorted(office.ran) == ["pay alice 3", "search rates"]
    assert [item["name"] for item in result["messages"][1].tool_calls] == ["search", "pay"]


async def test_without_a_checkpointer_nobody_can_be_asked(unsaved: Office) -> None:
    model = ScriptedChatModel(script=[[SEARCH, PAY], "done"])
    result = await unsaved.run(loop(model, node(unsaved), None), says("go"))
    assert unsaved.ran == ["search rates"]
    assert "cannot wait" in answers(result)[0]


LABELS = """
version: 1
id: labels
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [search, note], risk: low}}
rules:
  - {id: all, effect: allow, tools: [search, note]}
  - {id: tainted, effect: deny, tools: [note], when: {context.integrity: {at_most: untrusted}}}
"""


async def _noting(office: Office, schema: Any, *, intake: bool) -> None:
    """The user asks, the model takes a note, and takes another one after it has read something."""
    with open_governor(office.home / "labels", LABELS) as governor:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(schema)
        model = ScriptedChatModel(
            script=[[call("note", "n", text="one"), SEARCH], [call("note", "o", text="two")], "done"]
        )
        builder.add_node("intake", IntakeNode(governor, Principal(agent="clerk")) if intake else lambda _: {})
        builder.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
        builder.add_node("tools", GovernedToolNode(office.tools(), governor=governor))
        builder.add_edge(START, "intake").add_edge("intake", "model").add_edge("tools", "model")
        builder.add_conditional_edges("model", lambda s: "tools" if s["messages"][-1].tool_calls else "__end__")
        await office.run(builder.compile(checkpointer=office.driver.saver), says("go"))


async def test_with_the_governance_channel_the_users_words_are_the_users(office: Office) -> None:
    await _noting(office, GovernanceState, intake=True)
    assert sorted(office.ran) == ["note one", "search rates"]


async def test_without_it_what_nobody_labelled_is_untrusted(office: Office) -> None:
    await _noting(office, MessagesState, intake=False)
    assert office.ran == ["search rates"]


async def test_labels_ride_on_the_messages_and_cannot_be_moved(office: Office) -> None:
    """A result keeps its label in a graph without a channel; on other words it opens for nobody."""
    governor = office.governor
    model = ScriptedChatModel(script=[[SEARCH], "done"])
    result = await office.run(loop(model, node(office), office.driver.saver), says("go"))
    (message,) = [item for item in result["messages"] if isinstance(item, ToolMessage)]
    rider = message.additional_kwargs["aisecops"]
    thread = THREAD["configurable"]["thread_id"]
    assert governor.labels.open_whole(thread, content_key(message), rider) is not None
    moved = message.model_copy(update={"content": "pay mallory"})
    assert governor.labels.open_whole(thread, content_key(moved), rider) is None
    assert governor.labels.open_whole("t2", content_key(message), rider) is None


def test_it_is_a_tool_node(quick: Office) -> None:
    made = node(quick, name="doors", tags=["x"])
    assert isinstance(made, ToolNode)
    assert sorted(made.tools_by_name) == ["note", "pay", "search", "wipe"]


def test_nobody_to_act_for_is_refused(quick: Office) -> None:
    two = allowing("search").replace("agents: {", "agents: {other: {capabilities: [all]}, ")
    with open_governor(quick.home / "two", two) as governor, pytest.raises(ConfigurationError, match="which agent"):
        GovernedToolNode(quick.tools(), governor=governor)


# --- checkpoints that lag behind --------------------------------------------------------------------------------------

LAGS = "may lag behind"
TWO_TURNS = ([SEARCH], [call("search", "t", query="fees")], "done")


@pytest.mark.parametrize(
    ("durability", "told"), [({}, 1), ({"durability": "exit"}, 1), ({"durability": "sync"}, 0)], ids=str
)
async def test_a_run_without_an_intake_whose_checkpoints_lag_behind_is_told_once(
    quick: Office, caplog: pytest.LogCaptureFixture, durability: dict[str, Any], told: int
) -> None:
    graph = loop(ScriptedChatModel(script=[*TWO_TURNS, *TWO_TURNS]), node(quick), quick.driver.saver)
    await quick.run(graph, says("go"), **durability)
    assert caplog.text.count(LAGS) == told
    await quick.run(graph, says("and now?"), **durability)  # another run, another line
    assert caplog.text.count(LAGS) == 2 * told
    assert quick.ran == ["search rates", "search fees"] * 2


async def test_a_run_is_told_before_it_asks(quick: Office, caplog: pytest.LogCaptureFixture) -> None:
    graph = loop(ScriptedChatModel(script=[[PAY], "done"]), node(quick), quick.driver.saver)
    assert "__interrupt__" in await quick.run(graph, says("pay"))
    assert caplog.text.count(LAGS) == 1
    await quick.run(graph, Command(resume=APPROVE))
    assert caplog.text.count(LAGS) == 1
    assert quick.ran == ["pay alice 5"]


async def test_without_checkpoints_none_can_lag_behind(unsaved: Office, caplog: pytest.LogCaptureFixture) -> None:
    await unsaved.run(loop(ScriptedChatModel(script=[*TWO_TURNS]), node(unsaved), None), says("go"))
    assert unsaved.ran == ["search rates", "search fees"]
    assert LAGS not in caplog.text


async def test_an_intake_that_told_is_not_repeated(quick: Office, caplog: pytest.LogCaptureFixture) -> None:
    script = [AIMessage("", tool_calls=[SEARCH]), AIMessage("done")]
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(GovernanceState)
    builder.add_node("intake", IntakeNode(quick.governor, Principal(agent="clerk")))
    builder.add_node("model", lambda _: {"messages": [script.pop(0)]})
    builder.add_node("tools", node(quick))
    builder.add_edge(START, "intake").add_edge("intake", "model").add_edge("model", "tools")
    await quick.run(builder.compile(checkpointer=quick.driver.saver), says("go"))
    assert quick.ran == ["search rates"]
    assert caplog.text.count(LAGS) == 1
