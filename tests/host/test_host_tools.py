"""How tools are really called: what the schema does to arguments, and what ToolNode lets through."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from host_kit import Bank, ChatState, Host, pay_call, proposal
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import InjectedToolArg, tool
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt


def one_node(node: Any, **kw: Any) -> StateGraph:
    return StateGraph(ChatState).add_node("n", node, **kw).add_edge(START, "n")


def call_of(name: str, **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": "c1", "type": "tool_call"}


def given(*calls: Any) -> dict[str, Any]:
    return {"messages": [AIMessage("", id="ai", tool_calls=list(calls))]}


@tool
def count(n: int) -> str:
    """Show what arrives."""
    return repr(n)


@tool
def whoami(role: Annotated[str, InjectedToolArg] = "guest") -> str:
    """Show the injected role."""
    return role


@tool
def failing() -> str:
    """Refuse, as a tool that is denied might."""
    raise PermissionError("denied by policy")


async def test_arguments_are_coerced_and_extra_keys_dropped_by_the_schema(bare: Host) -> None:
    call = call_of("count", n="7", note="extra")
    done = await bare.run(one_node(ToolNode([count])).compile(), given(call))
    assert done["messages"][-1].content == "7"
    assert call["args"] == {"n": "7", "note": "extra"}


async def test_tool_invoke_accepts_a_forged_injected_argument(bare: Host) -> None:
    assert (await bare.run(whoami, call_of("whoami", role="admin"))).content == "admin"


async def test_tool_node_strips_a_forged_injected_argument(bare: Host) -> None:
    done = await bare.run(one_node(ToolNode([whoami])).compile(), given(call_of("whoami", role="admin")))
    assert done["messages"][-1].content == "guest"


async def test_tool_node_takes_tool_call_dicts_and_injects_state_from_the_channels(host: Host) -> None:
    @tool
    def read(key: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Read the graph's state."""
        return f"{key}={state['audit']}"

    builder = StateGraph(ChatState).add_node("tools", ToolNode([read]))
    builder.add_conditional_edges(START, lambda _: [Send("tools", [call_of("read", key="audit", state="forged")])])
    done = await host.run(host.compile(builder), {"messages": [], "audit": ["from the channel"]})
    assert [m.content for m in done["messages"]] == ["audit=['from the channel']"]


async def test_a_tool_node_called_inside_a_node_injects_state_from_the_channels(host: Host) -> None:
    @tool
    def read(audit: Annotated[list[str], InjectedState("audit")]) -> str:
        """Read one field of the graph's state."""
        return str(audit)

    def node(_: ChatState, config: RunnableConfig) -> Any:
        return tools.invoke([call_of("read")], config)

    async def anode(_: ChatState, config: RunnableConfig) -> Any:
        return await tools.ainvoke([call_of("read")], config)

    tools = ToolNode([read])
    graph = host.compile(one_node(anode if host.is_async else node))
    done = await host.run(graph, {"messages": [], "audit": ["from the channel"]})
    assert done["messages"][-1].content == "['from the channel']"


async def test_tool_node_runs_calls_that_are_already_answered(bare: Host, bank: Bank) -> None:
    answered = [proposal("alice"), ToolMessage("paid alice", tool_call_id="c1")]
    await bare.run(one_node(ToolNode([bank.pay])).compile(), {"messages": answered})
    assert bank.paid == ["alice"]


async def test_tool_node_runs_both_of_two_calls_with_one_id(bare: Host, bank: Bank) -> None:
    calls = [pay_call("alice", "same"), pay_call("mallory", "same")]
    await bare.run(one_node(ToolNode([bank.pay])).compile(), given(*calls))
    assert sorted(bank.paid) == ["alice", "mallory"]


async def test_tool_node_answers_an_unknown_tool_with_the_names_of_all_tools(bare: Host, bank: Bank) -> None:
    done = await bare.run(one_node(ToolNode([bank.pay, count])).compile(), given(call_of("no_such_tool")))
    answer = done["messages"][-1]
    assert answer.status == "error"
    assert "pay, count" in answer.content


async def test_a_sync_tool_wrapper_under_async_runs_on_the_loops_thread(bank: Bank) -> None:
    threads: list[int] = []

    def wrap(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Any]) -> Any:
        threads.append(threading.get_ident())
        return execute(request)

    await one_node(ToolNode([bank.pay], wrap_tool_call=wrap)).compile().ainvoke(given(pay_call("alice")))
    assert threads == [threading.get_ident()]


async def test_a_sync_tool_wrapper_under_async_makes_coroutine_tools_raise_not_implemented() -> None:
    @tool
    async def fetch() -> str:
        """Run as a coroutine only."""
        return ""

    graph = one_node(ToolNode([fetch], wrap_tool_call=lambda request, execute: execute(request))).compile()
    with pytest.raises(NotImplementedError):
        await graph.ainvoke(given(call_of("fetch")))


async def test_handle_tool_errors_turns_a_denial_into_an_invitation_to_retry(bare: Host) -> None:
    done = await bare.run(one_node(ToolNode([failing], handle_tool_errors=True)).compile(), given(call_of("failing")))
    answer = done["messages"][-1]
    assert answer.status == "error"
    assert "denied by policy" in answer.content
    assert "Please fix your mistakes" in answer.content


async def test_a_tool_node_raises_a_tools_own_error_by_default(bare: Host) -> None:
    with pytest.raises(PermissionError):
        await bare.run(one_node(ToolNode([failing])).compile(), given(call_of("failing")))


async def test_an_interrupt_in_a_tool_passes_through_handle_tool_errors(host: Host) -> None:
    @tool
    def ask() -> str:
        """Interrupt."""
        return interrupt("pause")

    graph = host.compile(one_node(ToolNode([ask], handle_tool_errors=True)))
    paused = await host.run(graph, given(call_of("ask")))
    assert [i.value for i in paused["__interrupt__"]] == ["pause"]
    done = await host.run(graph, Command(resume="answered"))
    assert done["messages"][-1].content == "answered"


class Denied(Exception):  # noqa: N818
    """An error that extends `Exception` itself."""


@pytest.mark.parametrize(("error", "tries"), [(Denied, 3), (ConnectionError, 3), (PermissionError, 1), (ValueError, 1)])
async def test_the_default_retry_policy_repeats_a_bare_exception(
    bare: Host, error: type[Exception], tries: int
) -> None:
    ran: list[str] = []

    def node(_: ChatState) -> None:
        ran.append("effect")
        raise error

    graph = one_node(node, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False)).compile()
    with pytest.raises(error):
        await bare.run(graph, given())
    assert len(ran) == tries


async def test_a_cache_policy_skips_the_guard_on_the_second_run(bare: Host) -> None:
    ran: list[str] = []

    def guard(_: ChatState) -> dict[str, list[str]]:
        ran.append("guard")
        return {"audit": ["allowed"]}

    graph = one_node(guard, cache_policy=CachePolicy()).compile(cache=InMemoryCache())
    first = await bare.run(graph, given(pay_call("alice")))
    second = await bare.run(graph, given(pay_call("alice")))
    assert first["audit"] == second["audit"] == ["allowed"]
    assert ran == ["guard"]
