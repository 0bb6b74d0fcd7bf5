"""An agent that waits for a person.

Invariant: nothing ran when ``asked`` returns.
"""

from __future__ import annotations

from typing import Any

from adapter_kit import (
    Office,
    says,
)
from langgraph.graph.state import CompiledStateGraph

from aisecops_langchain.testing import call

PAY_ALICE = call("pay", "c1", to="alice", amount=5)
PAY_BOB = call("pay", "c2", to="bob", amount=7)
SAFE = call("search", "c3", query="rates")


async def asked(office: Office, *script: Any, **kw: Any) -> tuple[CompiledStateGraph, Any]:
    """An agent that waits for a person, and what it asks."""
    graph = office.agent(*(script or ([PAY_ALICE], "done", "later")), **kw)
    result = await office.run(graph, says("pay alice 5"))
    assert office.ran == []
    return graph, result


async def still_works(office: Office, graph: CompiledStateGraph) -> None:
    """A later turn of the same thread goes through."""
    result = await office.run(graph, says("and now?"))
    assert result["messages"][-1].content in ("done", "later")
