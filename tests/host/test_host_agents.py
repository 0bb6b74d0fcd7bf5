"""What create_agent and ToolNode really do where our middleware and our tool node lean on it."""

from __future__ import annotations

import inspect
import operator
import threading
from collections.abc import Callable
from typing import Annotated, Any, NotRequired

import pytest
from host_kit import ChatState, Host, proposal
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, AgentState, ExtendedModelResponse, hook_config
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict


class Model(FakeMessagesListChatModel):
    """Plays messages, and binds any tools."""

    def bind_tools(self, tools: Any, **kw: Any) -> Any:
        return self


@tool
def double(n: int) -> int:
    """Double a number."""
    return 2 * n


class NotedState(AgentState[Any]):
    """State with a note."""

    note: NotRequired[str]


class Inner(TypedDict, total=False):
    """State of a graph inside a node."""

    to: str
    answers: Annotated[list[str], operator.add]


class Outer(TypedDict, total=False):
    """State of the graph around it."""

    answers: list[str]


CALL = {"name": "double", "args": {"n": 2}, "id": "c", "type": "tool_call"}


def model(*messages: Any) -> Model:
    return Model(responses=[item if isinstance(item, AIMessage) else AIMessage(item) for item in messages])


class Notes(AgentMiddleware):
    """Writes down in which order hooks run, and who handed them their handler."""

    def __init__(self, notes: list[Any], label: str) -> None:
        super().__init__()
        self._notes, self._label = notes, label

    @property
    def name(self) -> str:
        return self._label

    def after_model(self, state: Any, runtime: Any) -> None:
        self._notes.append(("after_model", self._label))

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        self._notes.append(("model", self._label, handler.__module__, handler.__qualname__))
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        self._notes.append(("model", self._label, handler.__module__, handler.__qualname__))
        return await handler(request)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        self._notes.append(("tool", self._label, handler.__module__, handler.__qualname__))
        return handler(request)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        self._notes.append(("tool", self._label, handler.__module__, handler.__qualname__))
        return await handler(request)


async def test_only_the_last_middleware_is_handed_the_hosts_own_functions(bare: Host) -> None:
    notes: list[Any] = []
    first, last = Notes(notes, "first"), Notes(notes, "last")
    agent = create_agent(model(AIMessage("", tool_calls=[CALL]), "done"), [double], middleware=[first, last])
    await bare.run(agent, {"messages": [HumanMessage("go")]})
    calls = {(note[0], note[1]): note[2:] for note in notes if len(note) == 4}
    kind = "_async" if bare.is_async else "_sync"
    assert calls["model", "last"] == ("langchain.agents.factory", f"create_agent.<locals>._execute_model{kind}")
    assert calls["tool", "last"][0] == "langgraph.prebuilt.tool_node"
    assert calls["tool", "first"][0] == "langchain.agents.factory"
    assert "_chain_" in calls["model", "first"][1]
    assert [note[1] for note in notes if note[0] == "after_model"][:2] == ["last", "first"], "in reverse order"


async def test_calls_go_to_the_tools_one_by_one_unless_somebody_jumps_there(bare: Host) -> None:
    seen: list[Any] = []

    class Watches(AgentMiddleware):
        def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            seen.append(request.runtime.config["metadata"]["langgraph_path"][0])
            return handler(request)

        async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            seen.append(request.runtime.config["metadata"]["langgraph_path"][0])
            return await handler(request)

    class Jumps(AgentMiddleware):
        @hook_config(can_jump_to=["tools"])
        def before_model(self, state: Any, runtime: Any) -> Any:
            if state["messages"][-1].type == "tool":
                return None
            return {"messages": [AIMessage("", id="forged", tool_calls=[CALL])], "jump_to": "tools"}

    two = [CALL, {**CALL, "id": "d"}]
    agent = create_agent(model(AIMessage("", tool_calls=two), "done"), [double], middleware=[Watches()])
    await bare.run(agent, {"messages": [HumanMessage("go")]})
    assert seen == ["__pregel_push"] * 2
    seen.clear()
    agent = create_agent(model("done"), [double], middleware=[Jumps(), Watches()])
    await bare.run(agent, {"messages": [HumanMessage("go")]})
    assert seen == ["__pregel_pull"], "and the forged call ran"


async def test_a_model_call_may_update_the_state_beside_its_answer(bare: Host) -> None:
    class Adds(AgentMiddleware):
        state_schema = NotedState

        def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            return ExtendedModelResponse(handler(request), Command(update={"note": "kept"}))

        async def awrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            return ExtendedModelResponse(await handler(request), Command(update={"note": "kept"}))

    result = await bare.run(create_agent(model("done"), [], middleware=[Adds()]), {"messages": [HumanMessage("go")]})
    assert result["note"] == "kept"


def test_the_parts_of_tool_node_that_ours_overrides() -> None:
    parameters = {name: list(inspect.signature(getattr(ToolNode, name)).parameters) for name in ("_func", "_afunc")}
    assert parameters == {name: ["self", "input", "config", "runtime"] for name in ("_func", "_afunc")}
    assert list(inspect.signature(ToolNode._parse_input).parameters) == ["self", "input"]
    assert list(inspect.signature(ToolNode._extract_state).parameters) == ["self", "input", "config"]
    node = ToolNode([double])
    assert node._parse_input({"messages": [AIMessage("", tool_calls=[CALL])]}) == ([CALL], "dict")
    assert node._parse_input([AIMessage("", tool_calls=[CALL])]) == ([CALL], "list")
    assert node._parse_input([CALL]) == ([CALL], "tool_calls")


# --- graphs inside a node ---------------------------------------------------------------------------------------------


def asking_inside(host: Host, shown: list[str]) -> Any:
    """A node that invokes a graph in which each of two tasks asks a person."""

    def ask(state: Any) -> dict[str, Any]:
        shown.append(state["to"])
        return {"answers": [f"{state['to']}: {interrupt(state['to'])}"]}

    inner = StateGraph(Inner).add_node("ask", ask)
    inner.add_conditional_edges(START, lambda _: [Send("ask", {"to": "alice"}), Send("ask", {"to": "bob"})], ["ask"])
    nested = inner.add_edge("ask", END).compile()

    def node(_: Any) -> Any:
        return {"answers": nested.invoke({})["answers"]}

    async def anode(_: Any) -> Any:
        return {"answers": (await nested.ainvoke({}))["answers"]}

    outer = StateGraph(Outer).add_node("node", anode if host.is_async else node).add_edge(START, "node")
    return outer.compile(checkpointer=host.saver)


async def test_questions_of_a_graph_inside_a_node_have_ids_of_their_own(host: Host) -> None:
    shown: list[str] = []
    graph = asking_inside(host, shown)
    result = await host.run(graph, {})
    ids = {item.value: item.id for item in result["__interrupt__"]}
    assert sorted(ids) == ["alice", "bob"]
    assert len(set(ids.values())) == 2
    with pytest.raises(RuntimeError, match="multiple pending interrupts"):
        await host.run(graph, Command(resume="which?"))
    result = await host.run(graph, Command(resume={ids["bob"]: "no"}))
    assert [item.value for item in result["__interrupt__"]] == ["alice"]
    result = await host.run(graph, Command(resume={ids["alice"]: "yes", ids["bob"]: "again"}))
    assert result["answers"] == ["alice: yes", "bob: no"]


async def test_all_calls_of_one_pass_share_a_scratchpad_and_a_later_pass_has_another(host: Host) -> None:
    pads: list[Any] = []
    lock = threading.Lock()

    @tool
    def pay(payee: str) -> str:
        """Pay somebody."""
        with lock:
            pads.append(get_config()["configurable"]["__pregel_scratchpad"])
        return str(interrupt(payee)) if payee == "alice" else "paid"

    graph = StateGraph(ChatState).add_node("tools", ToolNode([pay])).add_edge(START, "tools")
    compiled = graph.compile(checkpointer=host.saver)
    await host.run(compiled, {"messages": [proposal("alice", "bob")]})
    await host.run(compiled, Command(resume="yes"))
    assert len(pads) >= 3, "a thread that has not begun when another one interrupts never begins in that pass"
    assert pads[-1] is pads[-2]
    assert len({id(pad) for pad in pads}) == 2


def test_a_plain_answer_goes_to_whichever_thread_interrupts_first() -> None:
    """Why a wrapped tool may not interrupt on its own in a task that works on several calls."""
    late = ["mallory"]
    gate = threading.Event()
    answers: list[str] = []

    @tool
    def pay(payee: str) -> str:
        """Pay somebody."""
        if payee == late[0]:
            gate.wait(10)
        try:
            answer = interrupt(payee)
        finally:
            gate.set()
        answers.append(f"{payee}: {answer}")
        return answers[-1]

    graph = StateGraph(ChatState).add_node("tools", ToolNode([pay])).add_edge(START, "tools")
    compiled = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "race"}}
    shown = compiled.invoke({"messages": [proposal("alice", "mallory")]}, config)
    assert [item.value for item in shown["__interrupt__"]] == ["alice"]
    late[0] = "alice"
    gate.clear()
    compiled.invoke(Command(resume="yes"), config)
    assert answers == ["mallory: yes"], "alice was shown"
