"""What callbacks can and cannot do: a witness of a run, never a gate in front of it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import UUID

import pytest
from host_kit import ChatState, Host
from langchain_core.callbacks import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    CallbackManagerForRetrieverRun,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.callbacks import GraphCallbackHandler, GraphInterruptEvent, GraphResumeEvent
from langgraph.errors import GraphInterrupt
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt


class Refuses(BaseCallbackHandler):
    """Tries to stop a tool by raising."""

    def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        raise PermissionError


class RefusesAsync(AsyncCallbackHandler):
    """The same, async, and asks for its errors to be raised."""

    raise_error = True

    def __init__(self) -> None:
        self.loops: list[asyncio.AbstractEventLoop] = []

    async def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        self.loops.append(asyncio.get_running_loop())
        raise PermissionError


class Witness(BaseCallbackHandler):
    """Notes event names, threads and metadata."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.threads: list[int] = []
        self.errors: list[tuple[str, BaseException]] = []
        self.kwargs: dict[str, dict[str, Any]] = {}

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.kwargs["start"] = kwargs

    def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
        self.kwargs["end"] = kwargs

    def on_tool_start(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("tool_start")
        self.threads.append(threading.get_ident())

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(("chain", error))

    def on_tool_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(("tool", error))


@tool
def echo(text: str) -> str:
    """Echo, sync."""
    return text


@tool
async def aecho(text: str) -> str:
    """Echo, async."""
    return text


def chain_of(node: Any) -> StateGraph:
    return StateGraph(ChatState).add_node("n", node).add_edge(START, "n")


async def test_a_handler_that_raises_does_not_stop_a_tool() -> None:
    config = {"callbacks": [Refuses()]}
    assert await asyncio.to_thread(echo.invoke, {"text": "ran"}, config) == "ran"
    assert await echo.ainvoke({"text": "ran"}, config) == "ran"
    assert await aecho.ainvoke({"text": "ran"}, config) == "ran"


async def test_a_sync_handler_with_raise_error_stops_a_tool() -> None:
    handler = Refuses()
    handler.raise_error = True
    with pytest.raises(PermissionError):
        await asyncio.to_thread(echo.invoke, {"text": "x"}, {"callbacks": [handler]})
    with pytest.raises(PermissionError):
        await echo.ainvoke({"text": "x"}, {"callbacks": [handler]})


async def test_an_async_handler_with_raise_error_does_not_stop_a_plain_tool_and_runs_on_another_loop() -> None:
    handler = RefusesAsync()
    assert await echo.ainvoke({"text": "ran"}, {"callbacks": [handler]}) == "ran"
    assert handler.loops
    assert handler.loops[0] is not asyncio.get_running_loop()


async def test_an_async_handler_with_raise_error_stops_only_a_coroutine_tool() -> None:
    handler = RefusesAsync()
    with pytest.raises(PermissionError):
        await aecho.ainvoke({"text": "x"}, {"callbacks": [handler]})
    assert handler.loops == [asyncio.get_running_loop()]


@pytest.mark.parametrize("inline", [False, True])
async def test_a_sync_handler_under_async_leaves_the_loops_thread_unless_it_runs_inline(inline: bool) -> None:
    handler = Witness()
    handler.run_inline = inline
    await aecho.ainvoke({"text": "x"}, {"callbacks": [handler]})
    assert (handler.threads == [threading.get_ident()]) is inline


async def test_a_sync_node_and_a_plain_tool_under_async_leave_the_loops_thread() -> None:
    threads: list[int] = []

    @tool
    def where() -> str:
        """Note the thread."""
        threads.append(threading.get_ident())
        return ""

    def node(_: ChatState) -> None:
        threads.append(threading.get_ident())

    await chain_of(node).compile().ainvoke({"messages": []})
    await where.ainvoke({})
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_metadata_comes_only_on_start_events(host: Host) -> None:
    seen = Witness()
    config = {"configurable": {"thread_id": "t1", "user_id": "u1"}, "callbacks": [seen]}
    await host.run(host.compile(chain_of(lambda _: {"audit": ["x"]})), {"messages": []}, config)
    metadata = seen.kwargs["start"]["metadata"]
    assert {"thread_id", "langgraph_node", "langgraph_step", "langgraph_checkpoint_ns"} <= metadata.keys()
    assert metadata["thread_id"] == "t1"
    assert not seen.kwargs["end"].get("metadata")


async def test_metadata_comes_with_custom_events(host: Host) -> None:
    class Custom(BaseCallbackHandler):
        """Notes the metadata of custom events."""

        def on_custom_event(self, name: str, data: Any, *, metadata: dict[str, Any], **kwargs: Any) -> None:
            seen.append(metadata["langgraph_node"])

    seen: list[str] = []
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [Custom()]}
    await host.run(host.compile(chain_of(lambda _: dispatch_custom_event("note", {}))), {"messages": []}, config)
    assert seen == ["n"]


async def test_user_id_in_configurable_is_not_copied_into_metadata(host: Host) -> None:
    seen = Witness()
    config = {"configurable": {"thread_id": "t1", "user_id": "u1"}, "callbacks": [seen]}
    await host.run(host.compile(chain_of(lambda _: {"audit": ["x"]})), {"messages": []}, config)
    assert "user_id" not in seen.kwargs["start"]["metadata"]


async def test_a_handler_attached_twice_emits_twice(bare: Host) -> None:
    seen = Witness()
    await bare.run(echo, {"text": "x"}, {"callbacks": [seen, seen]})
    assert seen.events == ["tool_start", "tool_start"]


async def test_a_handler_bound_to_a_runnable_and_given_again_emits_twice(bare: Host) -> None:
    seen = Witness()
    await bare.run(echo.with_config(callbacks=[seen]), {"text": "x"}, {"callbacks": [seen]})
    assert seen.events == ["tool_start", "tool_start"]


async def test_handlers_are_lost_in_raw_threads() -> None:
    def spawn(_: Any) -> None:
        thread = threading.Thread(target=echo.invoke, args=({"text": "x"},))
        thread.start()
        thread.join()

    seen = Witness()
    await asyncio.to_thread(RunnableLambda(spawn).invoke, None, {"callbacks": [seen]})
    assert seen.events == []


async def test_handlers_are_lost_in_run_in_executor_but_kept_by_to_thread() -> None:
    async def in_executor(_: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(None, echo.invoke, {"text": "x"})

    async def to_thread(_: Any) -> None:
        await asyncio.to_thread(echo.invoke, {"text": "x"})

    lost, kept = Witness(), Witness()
    await RunnableLambda(in_executor).ainvoke(None, {"callbacks": [lost]})
    await RunnableLambda(to_thread).ainvoke(None, {"callbacks": [kept]})
    assert lost.events == []
    assert kept.events == ["tool_start"]


async def test_graph_handlers_see_interrupt_and_resume_under_different_run_ids(host: Host) -> None:
    class Lifecycle(GraphCallbackHandler):
        """Notes both events."""

        def __init__(self) -> None:
            self.seen: list[tuple[str, UUID | None]] = []

        def on_interrupt(self, event: GraphInterruptEvent) -> None:
            self.seen.append((event.interrupts[0].value, event.run_id))

        def on_resume(self, event: GraphResumeEvent) -> None:
            self.seen.append(("resume", event.run_id))

    handler = Lifecycle()
    graph = host.compile(chain_of(lambda _: {"audit": [interrupt("pause")]}))
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [handler]}
    await host.run(graph, {"messages": []}, config)
    await host.run(graph, Command(resume="ok"), config)
    (first, first_id), (second, second_id) = handler.seen
    assert (first, second) == ("pause", "resume")
    assert first_id != second_id


async def test_an_interrupt_reaches_the_error_callbacks_as_graph_interrupt(host: Host) -> None:
    @tool
    def ask() -> str:
        """Interrupt."""
        return interrupt("pause")

    seen = Witness()
    call = {"name": "ask", "args": {}, "id": "c1", "type": "tool_call"}
    graph = host.compile(chain_of(ToolNode([ask])))
    given = {"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]}
    await host.run(graph, given, {"configurable": {"thread_id": "t1"}, "callbacks": [seen]})
    assert {kind for kind, error in seen.errors if isinstance(error, GraphInterrupt)} == {"tool", "chain"}


async def test_an_inner_retriever_with_our_callbacks_shows_raw_documents_to_every_handler() -> None:
    class Raw(BaseRetriever):
        """Returns a poisoned document."""

        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            return [Document("poison")]

    class Forwarding(Raw):
        """Cleans what another retriever returns, and forwards the callbacks."""

        def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
            Raw().invoke(query, {"callbacks": run_manager.get_child()})
            return [Document("clean")]

    class Sees(BaseCallbackHandler):
        """Notes what retrievers return."""

        def on_retriever_end(self, documents: list[Document], **kwargs: Any) -> None:
            shown.extend(d.page_content for d in documents)

    shown: list[str] = []
    await asyncio.to_thread(Forwarding().invoke, "q", {"callbacks": [Sees()]})
    assert shown == ["poison", "clean"]
