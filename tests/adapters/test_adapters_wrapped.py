"""``govern_tools`` and ``GovernedToolCalls``: governance for graphs of others, and where there is no graph."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pytest
from adapter_kit import APPROVE, Office, allowing, answers, open_governor, read_events, says
from doors_kit import REACT, loop
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import InjectedToolArg, InjectedToolCallId, tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from aisecops_langchain import Approver, GovernedToolCalls, Governor, govern_tools
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, open_row
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.testing import ScriptedChatModel, call

SEARCH = call("search", "s", query="rates")
PAY = call("pay", "p", to="alice", amount=5)


def wrapped(office: Office, **kw: Any) -> dict[str, Any]:
    return {item.name: item for item in govern_tools(office.tools(), governor=office.governor, **kw)}


async def use(office: Office, item: Any, given: Any, **kw: Any) -> Any:
    return await office.run(item, given, None, **kw)


async def test_a_wrapped_tool_looks_like_the_tool(quick: Office) -> None:
    tools = wrapped(quick)
    for plain in quick.tools():
        ours = tools[plain.name]
        assert convert_to_openai_tool(ours) == convert_to_openai_tool(plain)


async def test_plain_use_is_decided_on_and_answered_as_the_tool_answers(quick: Office) -> None:
    tools = wrapped(quick)
    assert await use(quick, tools["search"], {"query": "rates"}) == "found rates"
    assert await use(quick, tools["search"], "rates") == "found rates"
    answer = await use(quick, tools["search"], SEARCH)
    assert (answer.content, answer.tool_call_id, answer.name) == ("found rates", "s", "search")
    assert (await use(quick, tools["wipe"], {"path": "/"})).startswith("Not executed.")
    assert quick.ran == ["search rates"] * 3


async def test_a_call_runs_once_however_often_it_is_handed_in(quick: Office) -> None:
    tools = wrapped(quick)
    results = [await use(quick, tools["search"], SEARCH) for _ in range(3)]
    assert [result.content for result in results] == ["found rates"] * 3, "the same result again"
    assert quick.ran == ["search rates"]


async def test_another_process_knows_that_the_call_ran(quick: Office) -> None:
    await use(quick, wrapped(quick)["search"], SEARCH)
    answer = await use(quick, wrapped(quick)["search"], SEARCH)  # wrapped anew: nothing is remembered but the ledger
    assert answer.status == "error"
    assert "already carried out" in answer.content
    assert quick.ran == ["search rates"]


async def test_many_at_once_run_it_once(quick: Office) -> None:
    search = wrapped(quick)["search"]
    results = await asyncio.gather(*(use(quick, search, SEARCH) for _ in range(8)))
    assert quick.ran == ["search rates"]
    assert {result.content for result in results if result.status != "error"} == {"found rates"}


async def test_arguments_that_the_tool_does_not_declare_are_refused(quick: Office) -> None:
    answer = await use(quick, wrapped(quick)["search"], {"query": "x", "role": "admin"})
    assert answer.startswith("Not executed.")
    assert quick.ran == []


async def test_outside_a_graph_a_question_waits_in_the_ledger(quick: Office) -> None:
    pay = wrapped(quick)["pay"]
    first = await use(quick, pay, PAY)
    assert "asked for and is not given yet" in first.content
    _answer_everything(quick.governor)
    second = await use(quick, pay, PAY)
    assert second.content == "paid alice"
    await use(quick, pay, PAY)
    assert quick.ran == ["pay alice 5"]


def _answer_everything(governor: Governor) -> None:
    """Do what the command line does: answer from the ledger alone."""
    ledger, sealer = governor._ledger, governor.approvals._sealer
    for row in list(ledger.scan(Table.APPROVALS, state="pending")):
        record = open_row(sealer, row, ApprovalRecord)
        governor.approvals.answer(record.binding, Approve(), Approver(id="ann", verified=True))


async def test_what_the_model_saw_counts_as_untrusted(quick: Office) -> None:
    policy = allowing("search").replace(
        "rules: [", "rules: [{id: t, effect: deny, tools: ['*'], when: {context.integrity: {at_most: untrusted}}}, "
    )
    with open_governor(quick.home / "taint", policy) as governor:
        (search, *_) = govern_tools(quick.tools(), governor=governor)
        assert (await use(quick, search, SEARCH)).status == "error"
    assert quick.ran == []


async def test_react_agent_of_langgraph(office: Office) -> None:
    graph = REACT(office, ScriptedChatModel(script=[[SEARCH, PAY], "done"]), office.tools())
    await office.run(graph, says("go"))
    result = await office.run(graph, Command(resume=APPROVE))
    assert sorted(answers(result)) == ["found rates", "paid alice"]


async def test_a_plain_tool_node_that_passes_again_gets_the_result_that_was_there(office: Office) -> None:
    """ToolNode runs all calls of a message again when one of them paused: with all approved, a safe one ran 3 times."""
    model = ScriptedChatModel(script=[[SEARCH, PAY, {**PAY, "id": "q", "args": {"to": "bob", "amount": 7}}], "done"])
    graph = loop(model, ToolNode(govern_tools(office.tools(), governor=office.governor)), office.driver.saver)
    result = await office.run(graph, says("go"))
    for _ in range(4):
        if "__interrupt__" in result:
            result = await office.run(graph, Command(resume=APPROVE))
    assert sorted(office.ran) == ["pay alice 5", "pay bob 7", "search rates"]
    assert answers(result) == ["found rates", "paid alice", "paid bob"]


async def test_what_tool_node_injects_reaches_the_tool(office: Office) -> None:
    @tool
    def search(
        query: str,
        runtime: ToolRuntime,
        store: Annotated[Any, InjectedStore()],
        call_id: Annotated[str, InjectedToolCallId],
    ) -> str:
        """Search the files."""
        return f"{query} {len(runtime.state['messages'])} {type(store).__name__} {call_id}"

    model = ScriptedChatModel(script=[[SEARCH], "done"])
    node = ToolNode(govern_tools([search], governor=office.governor))
    graph = loop(model, node, office.driver.saver)
    graph.store = InMemoryStore()
    result = await office.run(graph, says("go"))
    assert answers(result) == ["rates 2 InMemoryStore s"]


@pytest.mark.parametrize("forged", [{"runtime": {"state": {}}}, {"call_id": "x"}, {"store": {}}])
async def test_a_forged_injected_argument_is_refused(quick: Office, forged: dict[str, Any]) -> None:
    @tool
    def search(query: str, runtime: ToolRuntime, call_id: Annotated[str, InjectedToolCallId]) -> str:
        """Search the files."""
        quick.ran.append(f"{query} {call_id}")
        return "found"

    (ours,) = govern_tools([search], governor=quick.governor)
    answer = await use(quick, ours, {**SEARCH, "args": {"query": "x", **forged}})
    assert "Not executed." in answer.content or quick.ran == ["x s"] or "failed" in answer.content
    assert "x x" not in quick.ran


def test_an_injected_argument_that_a_model_could_write_is_refused_when_wrapped(quick: Office) -> None:
    @tool
    def whoami(key: str, role: Annotated[str, InjectedToolArg]) -> str:
        """Tell who asks."""
        return role

    @tool
    def count(key: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Count."""
        return key

    for plain in (whoami, count):
        with pytest.raises(ConfigurationError, match="forge"):
            govern_tools([plain], governor=quick.governor)


# --- plain chains -----------------------------------------------------------------------------------------------------


async def test_a_chain_answers_every_call_in_order(quick: Office) -> None:
    calls = [call("wipe", "w", path="/"), SEARCH, call("shell", "x", cmd="x"), {**SEARCH, "id": "t"}]
    model = ScriptedChatModel(script=[calls])
    chain = model.bind_tools(quick.tools()) | GovernedToolCalls(quick.tools(), governor=quick.governor)
    result = await use(quick, chain, "go")
    assert [message.tool_call_id for message in result] == ["w", "s", "x", "t"]
    assert quick.ran == ["search rates"] * 2


async def test_a_message_handed_in_twice_runs_nothing_twice(quick: Office) -> None:
    calls = GovernedToolCalls(quick.tools(), governor=quick.governor)
    message = AIMessage("", id="m1", tool_calls=[SEARCH])
    await use(quick, calls, message)
    again = await use(quick, calls, message)
    assert "already carried out" in again[0].content
    assert quick.ran == ["search rates"]
    await use(quick, calls, message.model_copy(update={"id": "m2"}))
    assert quick.ran == ["search rates"] * 2, "what another message proposes is another call"


async def test_a_chain_cannot_wait_but_goes_through_once_answered(office: Office) -> None:
    calls = GovernedToolCalls(office.tools(), governor=office.governor)
    message = AIMessage("", id="m1", tool_calls=[PAY])
    assert "not given yet" in (await use(office, calls, message))[0].content
    _answer_everything(office.governor)
    assert (await use(office, calls, message))[0].content == "paid alice"
    assert office.ran == ["pay alice 5"]


def test_batches_and_words_without_calls(quick: Office) -> None:
    calls = GovernedToolCalls(quick.tools(), governor=quick.governor)
    messages = [AIMessage("", id=f"m{n}", tool_calls=[{**SEARCH, "args": {"query": str(n)}}]) for n in range(4)]
    results = calls.batch([*messages, AIMessage("nothing to do")])
    assert [[item.content for item in result] for result in results] == [[f"found {n}"] for n in range(4)] + [[]]


async def test_a_broken_call_is_answered(quick: Office) -> None:
    broken = AIMessage(
        "", invalid_tool_calls=[{"id": "b", "name": "search", "args": "{", "error": "", "type": "invalid_tool_call"}]
    )
    (answer,) = await use(quick, GovernedToolCalls(quick.tools(), governor=quick.governor), broken)
    assert isinstance(answer, ToolMessage)
    assert answer.status == "error"


def test_a_dead_log_stops_everything(tmp_path: Path, quick: Office) -> None:
    search = wrapped(quick)["search"]
    quick.governor.close()
    answer = search.invoke(SEARCH)
    assert answer.status == "error"
    assert quick.ran == []
    assert read_events(quick.governor) == []
