"""What pausing for a person really does: re-execution, ids, resumes, and what they do not protect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from host_kit import Bank, ChatState, Host, pay_call, proposal
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langgraph.errors import GraphBubbleUp
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel


def one_node(node: Any, **kw: Any) -> StateGraph:
    return StateGraph(ChatState, **kw).add_node("n", node).add_edge(START, "n")


def two_nodes(node: Any) -> StateGraph:
    """Two nodes of one superstep that both run `node`."""
    return one_node(node).add_node("m", node).add_edge(START, "m")


async def test_a_node_reruns_from_its_top_on_every_resume(host: Host) -> None:
    ran: list[str] = []

    def node(_: ChatState) -> dict[str, list[str]]:
        ran.append("before")
        return {"audit": [interrupt("first"), interrupt("second")]}

    graph = host.compile(one_node(node))
    await host.run(graph, {"messages": []})
    await host.run(graph, Command(resume="a"))
    done = await host.run(graph, Command(resume="b"))
    assert done["audit"] == ["a", "b"]
    assert ran == ["before"] * 3


async def test_going_on_without_an_answer_hands_the_last_one_to_the_next_interrupt(host: Host) -> None:
    """What one person said to the first question of a node is taken for the next person's answer to the second."""

    def node(_: ChatState) -> dict[str, list[str]]:
        return {"audit": [interrupt("first"), interrupt("second")]}

    graph = host.compile(one_node(node))
    await host.run(graph, {"messages": []})
    await host.run(graph, Command(resume="yes"))
    done = await host.run(graph, None)
    assert done["audit"] == ["yes", "yes"]


async def test_execution_info_is_the_same_when_an_interrupted_node_runs_again(host: Host) -> None:
    seen: list[tuple[str, str, str]] = []

    def node(_: ChatState, runtime: Runtime) -> dict[str, list[str]]:
        info = runtime.execution_info
        seen.append((info.task_id, info.checkpoint_id, info.checkpoint_ns))
        return {"audit": [interrupt("first"), interrupt("second")]}

    graph = host.compile(one_node(node))
    await host.run(graph, {"messages": []})
    await host.run(graph, Command(resume="a"))
    await host.run(graph, Command(resume="b"))
    assert len(seen) == 3
    assert len(set(seen)) == 1


async def test_task_id_differs_between_runs_of_one_thread(host: Host) -> None:
    seen: list[str] = []

    def node(_: ChatState, runtime: Runtime) -> None:
        seen.append(runtime.execution_info.task_id)

    graph = host.compile(one_node(node))
    await host.run(graph, {"messages": []})
    await host.run(graph, {"messages": []})
    assert len(set(seen)) == 2


async def test_the_checkpointer_key_is_none_without_a_checkpointer(bare: Host, host: Host) -> None:
    seen: list[bool] = []

    def node(_: ChatState, config: RunnableConfig) -> None:
        seen.append(config["configurable"].get("__pregel_checkpointer") is not None)

    inner = one_node(node).compile()
    await bare.run(one_node(node).compile(), {"messages": []})
    await bare.run(one_node(inner).compile(), {"messages": []})
    await host.run(host.compile(one_node(node)), {"messages": []})
    await host.run(host.compile(one_node(inner)), {"messages": []})
    assert seen == [False, False, True, True]


async def test_an_interrupt_without_a_checkpointer_ends_the_run_and_cannot_be_resumed(bare: Host) -> None:
    ran: list[str] = []

    def node(_: ChatState) -> None:
        interrupt("pause")
        ran.append("after")

    graph = one_node(node).compile()
    paused = await bare.run(graph, {"messages": []}, {})
    assert [i.value for i in paused["__interrupt__"]] == ["pause"]
    with pytest.raises(RuntimeError, match="without checkpointer"):
        await bare.run(graph, Command(resume="ok"), {})
    assert ran == []


async def test_the_interrupt_id_does_not_depend_on_what_is_shown(host: Host) -> None:
    shown = iter(["pay alice", "pay mallory"])
    graph = host.compile(one_node(lambda _: {"audit": [interrupt(next(shown))]}))
    first = (await host.run(graph, {"messages": []}))["__interrupt__"][0]
    again = (await host.run(graph, None))["__interrupt__"][0]
    assert (first.value, again.value) == ("pay alice", "pay mallory")
    assert first.id == again.id


async def test_unknown_ids_in_a_resume_map_are_silently_ignored(host: Host) -> None:
    graph = host.compile(one_node(lambda _: {"audit": [interrupt("pause")]}))
    paused = await host.run(graph, {"messages": []})
    still = await host.run(graph, Command(resume={"0" * 32: "approve"}))
    assert still["__interrupt__"] == paused["__interrupt__"]


async def test_already_answered_ids_in_a_resume_map_are_silently_ignored(host: Host) -> None:
    graph = host.compile(two_nodes(lambda _: {"audit": [interrupt("pause")]}))
    first, second = (await host.run(graph, {"messages": []}))["__interrupt__"]
    await host.run(graph, Command(resume={first.id: "once"}))
    again = await host.run(graph, Command(resume={first.id: "twice"}))
    assert [i.id for i in again["__interrupt__"]] == [second.id]
    done = await host.run(graph, Command(resume={second.id: "other"}))
    assert sorted(done["audit"]) == ["once", "other"]


async def test_two_pending_interrupts_and_one_scalar_answer_raise(host: Host) -> None:
    graph = host.compile(two_nodes(lambda _: {"audit": [interrupt("pause")]}))
    await host.run(graph, {"messages": []})
    with pytest.raises(RuntimeError, match="multiple pending interrupts"):
        await host.run(graph, Command(resume="approve"))


async def test_resume_none_raises_unbound_local_error(host: Host) -> None:
    graph = host.compile(one_node(lambda _: {"audit": [interrupt("pause")]}))
    await host.run(graph, {"messages": []})
    with pytest.raises(UnboundLocalError):
        await host.run(graph, Command(resume=None))


async def test_catching_exception_in_a_node_swallows_the_interrupt(host: Host) -> None:
    def node(_: ChatState) -> dict[str, list[str]]:
        try:
            return {"audit": [interrupt("pause")]}
        except Exception:
            return {"audit": ["went on unasked"]}

    done = await host.run(host.compile(one_node(node)), {"messages": []})
    assert "__interrupt__" not in done
    assert done["audit"] == ["went on unasked"]


async def test_reraising_graph_bubble_up_keeps_the_interrupt(host: Host) -> None:
    def node(_: ChatState) -> dict[str, list[str]]:
        try:
            return {"audit": [interrupt("pause")]}
        except GraphBubbleUp:
            raise
        except Exception:
            return {"audit": ["went on unasked"]}

    assert "__interrupt__" in await host.run(host.compile(one_node(node)), {"messages": []})


class Turns:
    """Settles which of two concurrent tool calls asks first."""

    def __init__(self, first: str) -> None:
        self.give(first)

    def give(self, first: str) -> None:
        self.first, self.asked = first, asyncio.Event()

    async def wait(self, payee: str) -> None:
        if payee != self.first:
            await self.asked.wait()
        self.asked.set()


def asking_tool(bank: Bank, turns: Turns) -> BaseTool:
    """A payment that asks a person inside the tool."""

    @tool
    async def pay(payee: str) -> str:
        """Ask, then pay."""
        await turns.wait(payee)
        if interrupt(f"pay {payee}?") == "approve":
            bank.paid.append(payee)
        return ""

    return pay


only_async = pytest.mark.parametrize("host", ["async-memory", "async-sqlite"], indirect=True)


@only_async
async def test_interrupts_in_a_multi_call_tool_node_repeat_effects(host: Host, bank: Bank) -> None:
    @tool
    async def safe() -> str:
        """Need no approval."""
        bank.paid.append("safe")
        return ""

    turns = Turns("alice")
    safe_call = {"name": "safe", "args": {}, "id": "c0", "type": "tool_call"}
    calls = [safe_call, pay_call("alice", "c1"), pay_call("bob", "c2")]
    graph = host.compile(one_node(ToolNode([safe, asking_tool(bank, turns)])))
    await host.run(graph, {"messages": [AIMessage("", tool_calls=calls)]})
    for _ in range(2):
        turns.give("alice")
        await host.run(graph, Command(resume="approve"))
    assert sorted(bank.paid) == ["alice", "alice", "bob", "safe", "safe", "safe"]


@only_async
async def test_interrupts_in_a_multi_call_tool_node_pay_another_than_the_one_approved(host: Host, bank: Bank) -> None:
    turns = Turns("alice")
    graph = host.compile(one_node(ToolNode([asking_tool(bank, turns)])))
    paused = await host.run(graph, {"messages": [proposal("alice", "mallory")]})
    assert [i.value for i in paused["__interrupt__"]] == ["pay alice?"]
    turns.give("mallory")
    await host.run(graph, Command(resume="approve"))
    assert bank.paid == ["mallory"]


async def test_runtime_context_is_not_persisted_and_another_users_resume_is_accepted(host: Host) -> None:
    @dataclass
    class Context:
        """Who runs the graph."""

        user: str

    def node(_: ChatState, runtime: Runtime[Context]) -> dict[str, list[str]]:
        return {"audit": [f"{interrupt('pause')} by {runtime.context.user}"]}

    graph = host.compile(one_node(node, context_schema=Context))
    await host.run(graph, {"messages": []}, context=Context("alice"))
    done = await host.run(graph, Command(resume="approved"), context=Context("mallory"))
    assert done["audit"] == ["approved by mallory"]


async def test_a_resume_at_an_old_checkpoint_runs_the_action_again(host: Host, bank: Bank) -> None:
    def node(_: ChatState) -> None:
        interrupt("pay?")
        bank.paid.append("alice")

    graph = host.compile(one_node(node))
    await host.run(graph, {"messages": []})
    old = (await host.state(graph)).config
    await host.run(graph, Command(resume="approve"))
    await host.run(graph, Command(resume="approve"), old)
    assert bank.paid == ["alice", "alice"]


async def test_an_exception_after_the_interrupt_bricks_the_thread(host: Host) -> None:
    def node(_: ChatState) -> dict[str, list[str]]:
        return {"audit": [interrupt("pause")["decision"]]}

    graph = host.compile(one_node(node))
    await host.run(graph, {"messages": []})
    with pytest.raises(KeyError):
        await host.run(graph, Command(resume={"malformed": "yes"}))
    with pytest.raises(KeyError):
        await host.run(graph, Command(resume={"decision": "approve"}))


async def test_a_response_schema_drops_undeclared_keys_and_lets_empty_decisions_pass(host: Host) -> None:
    class Answer(BaseModel):
        """What a person answers."""

        decisions: list[dict[str, str]]

    got: list[Answer] = []
    graph = host.compile(one_node(lambda _: got.append(interrupt("pause", response_schema=Answer))))
    await host.run(graph, {"messages": []})
    await host.run(graph, Command(resume={"decisions": [], "approver": "alice"}))
    assert [a.model_dump() for a in got] == [{"decisions": []}]


async def test_a_sibling_that_completed_beside_an_interrupt_is_not_run_again(host: Host, bank: Bank) -> None:
    def node(payee: str) -> dict[str, list[str]]:
        if payee == "bob":
            interrupt("pay bob?")
        bank.paid.append(payee)
        return {"audit": [payee]}

    builder = StateGraph(ChatState).add_node("n", node)
    graph = host.compile(builder.add_conditional_edges(START, lambda _: [Send("n", "alice"), Send("n", "bob")]))
    await host.run(graph, {"messages": []})
    done = await host.run(graph, Command(resume="approve"))
    assert bank.paid == ["alice", "bob"]
    assert done["audit"] == ["alice", "bob"]
