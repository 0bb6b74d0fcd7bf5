"""What execution leans on: where ``ToolNode`` runs tools, and what LangGraph's own retry policy takes up."""

from __future__ import annotations

import threading

import pytest
from langchain_core.tools import tool
from langgraph.graph import StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import RetryPolicy

from aisecops_langchain.errors import AisecopsError


def one_node(node, **kw):
    """A graph of one node."""
    graph = StateGraph(dict)
    graph.add_node("only", node, **kw)
    graph.set_entry_point("only")
    return graph.compile()


def test_a_tool_node_runs_a_tool_in_a_worker_that_the_interpreter_waits_for():
    seen = []

    @tool
    def look() -> str:
        """Look."""
        seen.append(threading.current_thread())
        return "seen"

    def wrap(request, execute):
        seen.append(threading.current_thread())
        return execute(request)

    node = ToolNode([look], wrap_tool_call=wrap)
    one_node(
        lambda _state: {"out": node.invoke([{"name": "look", "args": {}, "id": "1", "type": "tool_call"}])}
    ).invoke({"a": 1})
    assert seen[0] is seen[1]
    assert seen[0] is not threading.current_thread()
    assert not seen[0].daemon


@pytest.mark.parametrize(
    ("error", "tries"), [(AisecopsError("no"), 1), (ConnectionError("no"), 2), (Exception("no"), 2)]
)
def test_the_default_retry_policy_takes_up_other_errors_than_ours(error, tries):
    seen = []

    def node(_state):
        seen.append(1)
        raise error

    graph = one_node(node, retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.01))
    with pytest.raises(type(error)):
        graph.invoke({"a": 1})
    assert len(seen) == tries
