"""Memories that pass as untrusted are set apart in what a model is shown, and never in the store or for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from adapter_kit import Driver, open_governor, says
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedStore
from langgraph.store.memory import InMemoryStore
from memory_kit import CLERK, HOME

from aisecops_langchain import GovernedStore, Governor, govern
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = """
version: 1
id: lit
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [recall], risk: low}}
rules: [{id: all, effect: allow, tools: [recall]}]
tools:
  recall: {effects: [read], results: {integrity: TRUST}}
sanitize: {spotlight: STYLE}
"""
FACT = "Jo likes tea."


@tool
def recall(key: str, store: Annotated[Any, InjectedStore()]) -> str:
    """Recall a fact."""
    return str(store.get(HOME, key).value["text"])


def opened(path: Path, style: str, trust: str = "untrusted") -> Governor:
    return open_governor(path, POLICY.replace("STYLE", style).replace("TRUST", trust))


def mark_in(messages: Any) -> str:
    return str(messages[0].content).split("lines [", 1)[1].split(" ", 1)[0]


@pytest.mark.parametrize("style", ["delimit", "datamark"])
@pytest.mark.parametrize("trust", ["untrusted", "first_party"])
async def test_what_a_tool_recalls_is_set_apart_whatever_policy_says_of_the_tool(
    light: Driver, tmp_path: Path, style: str, trust: str
) -> None:
    with opened(tmp_path / "home", style, trust) as governor:
        inner = InMemoryStore()
        store = GovernedStore(inner, governor, principal=CLERK)
        await store.aput(HOME, "tea", {"text": FACT})
        model = ScriptedChatModel(script=[call("recall", key="tea"), "Tea."])
        graph = govern(model, [recall], governor=governor, principal=CLERK, store=store, checkpointer=light.saver)
        await light.run(graph, says("What does Jo like?"))
        (shown,) = [message.content for message in model.seen[-1] if isinstance(message, ToolMessage)]
        mark = mark_in(model.seen[-1])
        assert shown.startswith(f"[{mark}\n")
        assert shown.count(mark) == (2 if style == "delimit" else 5)
        item = await store.aget(HOME, "tea")
        assert item.value == {"text": FACT}
        assert mark not in json.dumps(inner.get(HOME, "tea").value)


async def test_a_memory_that_a_node_of_ones_own_puts_into_the_conversation_is_set_apart(
    light: Driver, tmp_path: Path
) -> None:
    with opened(tmp_path / "home", "delimit") as governor:
        store = GovernedStore(InMemoryStore(), governor, principal=CLERK)
        await store.aput(HOME, "tea", {"text": FACT})
        model = ScriptedChatModel(script=["Hello.", "Tea."])
        agent = govern(model, [], governor=governor, principal=CLERK)

        def remind(_state: Any) -> dict[str, Any]:
            return {"messages": [("ai", "I remember: " + store.get(HOME, "tea").value["text"])]}

        async def aremind(_state: Any) -> dict[str, Any]:
            return {"messages": [("ai", "I remember: " + (await store.aget(HOME, "tea")).value["text"])]}

        builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
        builder.add_node("remind", aremind if light.is_async else remind)
        builder.add_node("agent", agent)
        builder.add_edge(START, "remind")
        builder.add_edge("remind", "agent")
        await light.run(builder.compile(checkpointer=light.saver), says("What does Jo like?"))
        mark = mark_in(model.seen[0])
        assert f"[{mark}\nI remember: {FACT}\n{mark}]" in [message.content for message in model.seen[0]]
        assert any(isinstance(message, HumanMessage) for message in model.seen[0])
