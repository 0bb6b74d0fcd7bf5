"""MCP tools through the interceptor, alone and under a governed node: one decision, one effect, inspected results."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langgraph.types import Command
from mcp_kit import CLERK, INJECTED, Office, agent_of, answers, plain_agent, says

from aisecops_langchain import govern
from aisecops_langchain.testing import ScriptedChatModel, call

THREAD: Any = {"configurable": {"thread_id": "t1"}}
APPROVE = Command(resume={"decisions": [{"type": "approve"}]})
REJECT = Command(resume={"decisions": [{"type": "reject", "message": "no"}]})
LOOKUP = call("lookup", "c1", what="rates")
PAY = call("pay", "c2", to="alice", amount=5.0)
MUCH = call("pay", "c3", to="alice", amount=500.0)


def contents(result: Any) -> list[Any]:
    """Content of tool messages without the ids that are made anew each time."""
    found = [message.content for message in result["messages"] if isinstance(message, ToolMessage)]
    return [[{key: item for key, item in block.items() if key != "id"} for block in content] for content in found]


async def test_an_honest_tool_answers_as_without_us(office: Office, mode: str) -> None:
    script = [[LOOKUP], [PAY], "done"]
    without = await plain_agent(await office.tools(), *script).ainvoke(says("go"), THREAD)
    graph = agent_of(office, mode, await office.tools(office.guard()), *script)
    result = await graph.ainvoke(says("go"), THREAD)
    assert contents(result) == contents(without)
    assert [message.artifact for message in result["messages"] if isinstance(message, ToolMessage)] == [
        {"structured_content": {"answer": "found rates"}},
        {"structured_content": {"result": "paid alice"}},
    ]
    assert office.book() == ["lookup rates", "pay alice 5"] * 2


async def test_it_decides_and_executes_once_together_with_a_governed_node(office: Office, mode: str) -> None:
    graph = agent_of(office, mode, await office.tools(office.guard()), [PAY], "done")
    await graph.ainvoke(says("go"), THREAD)
    assert office.book() == ["pay alice 5"]
    assert len(office.events("decision_made")) == 1
    assert len(office.events("execution_started")) == 1
    assert len(office.events("execution_completed")) == 1


async def test_what_policy_denies_does_not_reach_the_server(office: Office, mode: str) -> None:
    wild = [call("pay", "c4", to="mallory", amount=5000.0)]
    graph = agent_of(office, mode, await office.tools(office.guard()), wild, "done")
    result = await graph.ainvoke(says("go"), THREAD)
    assert (office.book(), answers(result)) == ([], ["Not executed. Policy does not allow this call."])


@pytest.mark.parametrize(
    "arguments", [{"to": "alice"}, {"to": "alice", "amount": "five"}, {"to": "alice", "amount": 5.0, "cc": "mallory"}]
)
async def test_arguments_that_the_servers_schema_refuses_do_not_reach_it(
    office: Office, mode: str, arguments: dict[str, Any]
) -> None:
    graph = agent_of(office, mode, await office.tools(office.guard()), [call("pay", "c5", **arguments)], "done")
    result = await graph.ainvoke(says("go"), THREAD)
    assert office.book() == []
    assert answers(result)[0].startswith("Not executed. ")


async def test_an_approval_is_waited_for_and_used_once(office: Office, mode: str) -> None:
    graph = agent_of(office, mode, await office.tools(office.guard()), [MUCH], "done", "later")
    paused = await graph.ainvoke(says("go"), THREAD)
    assert paused["__interrupt__"][0].value["action_requests"][0]["args"] == {"to": "alice", "amount": 500.0}
    assert office.book() == []
    result = await graph.ainvoke(APPROVE, THREAD)
    assert (office.book(), answers(result)) == (["pay alice 500"], ["paid alice"])
    await graph.ainvoke(APPROVE, THREAD)
    assert office.book() == ["pay alice 500"]


async def test_a_rejected_call_does_not_reach_the_server(office: Office, mode: str) -> None:
    graph = agent_of(office, mode, await office.tools(office.guard()), [MUCH], "done")
    await graph.ainvoke(says("go"), THREAD)
    await graph.ainvoke(REJECT, THREAD)
    assert office.book() == []


async def test_outside_any_graph_a_call_that_needs_approval_is_refused(office: Office) -> None:
    (pay,) = [tool for tool in await office.tools(office.guard()) if tool.name == "pay"]
    assert (await pay.ainvoke(PAY)).text == "paid alice"
    refused = await pay.ainvoke(MUCH)
    assert refused.status == "error"
    assert office.book() == ["pay alice 5"]
    assert len(office.events("approval_requested")) == 1


async def test_a_principal_is_told_from_the_configuration(office: Office) -> None:
    def who(config: Any) -> Any:
        return CLERK.model_copy(update={"user": config["configurable"]["user"]})

    graph = plain_agent(await office.tools(office.guard(principal=who)), [PAY], "done")
    await graph.ainvoke(says("go"), {"configurable": {"thread_id": "t1", "user": "ann"}})
    assert {event.principal.user for event in office.events("execution_started")} == {"ann"}


@pytest.mark.parametrize("tool", ["poisoned", "blocks", "fails"])
async def test_no_injection_in_any_part_of_a_result_reaches_the_model(office: Office, mode: str, tool: str) -> None:
    """In text, in structured content, in an embedded resource, in a link's description, in an error."""
    model = ScriptedChatModel(script=[[call(tool, "c6", what="x")], "done"])
    tools = await office.tools(office.guard())
    if mode == "governed":
        graph = govern(model, tools, governor=office.governor, principal=CLERK)
    else:
        graph = plain_agent(tools, [call(tool, "c6", what="x")], "done")
    result = await graph.ainvoke(says("go"), THREAD)
    assert office.book() == [f"{tool} x"]
    (message,) = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    assert INJECTED not in str(message.content)
    assert "withheld" in str(message.content)
    assert message.status == ("error" if tool == "fails" else "success")
    if mode == "alone":
        assert INJECTED not in str(message.artifact)


async def test_pictures_and_files_come_through_with_the_words_inspected(office: Office, mode: str) -> None:
    graph = agent_of(office, mode, await office.tools(office.guard()), [call("blocks", "c7", what="x")], "done")
    (message,) = [m for m in (await graph.ainvoke(says("go"), THREAD))["messages"] if isinstance(m, ToolMessage)]
    assert [block["type"] for block in message.content] == ["text", "image", "text", "image", "file"]
    assert message.content[1]["base64"] == message.content[3]["base64"]


@pytest.mark.parametrize("tool", ["hangs", "dies"])
async def test_a_server_that_does_not_answer_leaves_an_unknown_effect(empty: Office, mode: str, tool: str) -> None:
    empty.serve()  # over stdio, in a process of its own
    tools = await empty.tools(empty.guard(timeout_seconds=10, trust_seconds=60))
    graph = agent_of(empty, mode, tools, [call(tool, "c8", what="x")], "done")
    result = await graph.ainvoke(says("go"), THREAD)
    assert empty.book() == [f"{tool} x"]
    assert answers(result) == ["The tool was started and did not answer; its outcome is unknown."]
    assert len(empty.events("execution_unknown")) == 1


async def test_a_server_that_cannot_be_asked_refuses_the_call(office: Office, mode: str) -> None:
    tools = await office.tools(office.guard())
    office.connections["office"]["url"] = "http://127.0.0.1:9/mcp"
    graph = agent_of(office, mode, tools, [PAY], "done")
    result = await graph.ainvoke(says("go"), THREAD)
    assert office.book() == []
    assert "paid" not in answers(result)[0]
