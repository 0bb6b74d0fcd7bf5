"""A user's own state and graph around a governed agent.

Invariant: nothing here governs.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from adapter_kit import (
    Office,
)
from langchain_core.messages import AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph

from aisecops_langchain.testing import call

SEARCH = call("search", "c1", query="rates")
PAY = call("pay", "c2", to="alice", amount=5)


class CaseState(TypedDict, total=False):
    """A user's own state."""

    messages: Annotated[list[AnyMessage], add_messages]
    case: str
    visited: Annotated[list[str], operator.add]


def parent(office: Office, agent: CompiledStateGraph, *, saved: bool = True, **node: Any) -> CompiledStateGraph:
    """A user's graph: a node of theirs, the governed agent, a node of theirs."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(CaseState)
    builder.add_node("before", lambda _: {"visited": ["before"]})
    builder.add_node("agent", agent, **node)
    builder.add_node("after", lambda _: {"visited": ["after"]})
    builder.add_edge(START, "before").add_edge("before", "agent").add_edge("agent", "after").add_edge("after", END)
    return builder.compile(checkpointer=office.driver.saver if saved else None)
