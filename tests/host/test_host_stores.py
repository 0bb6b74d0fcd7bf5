"""What the design leans on in LangGraph's stores: where they lie in a run, and that batches are the only way in."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_store
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore


def test_a_nodes_configuration_holds_the_runtime_and_the_store_in_it() -> None:
    store, seen = InMemoryStore(), {}

    def node(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        seen["runtime"] = config["configurable"]["__pregel_runtime"]
        seen["store"] = get_store()
        return {}

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.compile(store=store).invoke({"messages": []})
    assert isinstance(seen["runtime"], Runtime)
    assert seen["runtime"].store is store
    assert seen["store"] is store
    assert seen["runtime"].override(store=None).store is None


def test_two_methods_of_a_store_are_all_that_has_to_be_wrapped() -> None:
    assert BaseStore.__abstractmethods__ == {"batch", "abatch"}


def test_a_streamed_answer_is_not_sent_again_as_a_whole() -> None:
    """The guard of a stream relies on it that nothing comes after the chunks of a message but their own node's end."""
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk

    model = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))
    graph = StateGraph(MessagesState)
    graph.add_node("node", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "node")
    parts = [part for part, _where in graph.compile().stream({"messages": [("user", "x")]}, stream_mode="messages")]
    assert "".join(str(part.text) for part in parts) == "one two three"
    assert all(isinstance(part, AIMessageChunk) for part in parts)
