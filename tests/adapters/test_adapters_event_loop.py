"""Nothing of ours blocks the event loop: every door runs with the detection on that LangGraph's server uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blockbuster
import pytest
from adapter_kit import APPROVE, open_governor, says
from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from aisecops_langchain import (
    GovernanceMiddleware,
    GovernedStore,
    Governor,
    OutputGuard,
    Principal,
    PromptGuard,
    govern,
    govern_deep_agent,
    guarded_astream,
    subagent_tool,
    warrant_of,
)
from aisecops_langchain.testing import ScriptedChatModel, call

TEAM = """
version: 1
id: team
agents:
  clerk: {capabilities: [all]}
  general-purpose: {capabilities: [all]}
capabilities: {all: {tools: [fine, broken, asked, helper, task, write_file], risk: low}}
rules:
  - {id: all, effect: allow, tools: [fine, broken, helper, task, write_file]}
  - {id: ask, effect: require_approval, tools: [asked]}
"""
CLERK = Principal(agent="clerk")
THREAD: Any = {"configurable": {"thread_id": "t1"}}
TURNS = [call("fine", "c1"), call("broken", "c2"), call("asked", "c3")]
RAN: list[str] = []


@tool
async def fine() -> str:
    """Do it."""
    RAN.append("fine")
    return "done"


@tool
async def broken() -> str:
    """Fail."""
    RAN.append("broken")
    raise ValueError("no")


@tool
async def asked() -> str:
    """Do it, once a person said yes."""
    RAN.append("asked")
    return "done"


TOOLS = [fine, broken, asked]


@pytest.fixture
def governor(tmp_path: Path) -> Iterator[Governor]:
    """Opened before the detection begins; it waits for the disk."""
    RAN.clear()
    with open_governor(tmp_path / "home", TEAM, durability="sync") as opened:
        yield opened


@pytest.fixture
def watched() -> Iterator[None]:
    """Detection of blocking calls, with the exceptions that LangGraph's server makes."""
    watch = blockbuster.BlockBuster(excluded_modules=[])
    for name in [name for name in watch.functions if name.startswith("os.path.")]:
        watch.functions.pop(name)
    for name in ("os.stat", "os.listdir", "io.BufferedReader.read", "io.TextIOWrapper.read", "threading.Lock.acquire"):
        watch.functions.pop(name, None)
    watch.activate()
    yield
    watch.deactivate()


async def drive(graph: Any) -> None:
    """Run to the question, answer it, run to the end."""
    await graph.ainvoke(says("go"), THREAD)
    await graph.ainvoke(Command(resume=APPROVE), THREAD)


async def test_the_detection_is_on(watched: None, tmp_path: Path) -> None:
    with pytest.raises(blockbuster.BlockingError):
        (tmp_path / "file").write_text("x")


async def test_govern_does_not_block(governor: Governor, watched: None) -> None:
    model = ScriptedChatModel(script=[TURNS, "done"])
    await drive(govern(model, TOOLS, governor=governor, principal=CLERK, checkpointer=InMemorySaver()))
    assert sorted(RAN) == ["asked", "broken", "fine"]


async def test_middleware_does_not_block(governor: Governor, watched: None) -> None:
    model = ScriptedChatModel(script=[TURNS, "done"])
    ours = GovernanceMiddleware(governor, TOOLS, principal=CLERK)
    await drive(create_agent(model, TOOLS, middleware=[ours], checkpointer=InMemorySaver()))
    assert sorted(RAN) == ["asked", "broken", "fine"]


async def test_a_subagent_does_not_block(governor: Governor, watched: None) -> None:
    inner = govern(
        ScriptedChatModel(script=[[call("fine", "s1"), call("broken", "s2")], "reported"]),
        TOOLS,
        governor=governor,
        agent="general-purpose",
        warrant=warrant_of,
    )
    helper = subagent_tool(
        inner, governor, agent="general-purpose", tools=["fine", "broken"], name="helper", description="Helps."
    )
    model = ScriptedChatModel(script=[[call("helper", "h1", task="do it")], "done"])
    await govern(model, [helper], governor=governor, principal=CLERK).ainvoke(says("go"))
    assert sorted(RAN) == ["broken", "fine"]


async def test_a_deep_agent_does_not_block(governor: Governor, watched: None) -> None:
    pytest.importorskip("deepagents")

    def turn(messages: list[Any]) -> Any:
        first = next(message.text for message in messages if message.type == "human")
        task = call("task", "t1", description="TASK", subagent_type="general-purpose")
        script = [TURNS[:2], "reported"] if first == "TASK" else [[task], [TURNS[2]], "done"]
        return script[sum(message.type == "ai" for message in messages)]

    model = ScriptedChatModel(script=[turn], repeat_last=True)
    await drive(govern_deep_agent(model, TOOLS, governor=governor, principal=CLERK, checkpointer=InMemorySaver()))
    assert sorted(RAN) == ["asked", "broken", "fine"]


async def test_memory_guards_and_guarded_streams_do_not_block(governor: Governor) -> None:
    store = GovernedStore(InMemoryStore(), governor, principal=CLERK)
    await store.aput(("notes",), "tea", {"text": "Jo likes tea."})
    assert await store.aget(("notes",), "tea") is not None
    assert len(await store.asearch(("notes",))) == 1
    guard = OutputGuard(governor, hold=64)
    assert await (PromptGuard(governor) | guard).ainvoke("fine") == "fine"
    model = GenericFakeChatModel(messages=(AIMessage("The invoice was paid. " * 20) for _ in range(2)))
    assert len([part async for part in (model | guard).astream("go")]) > 3
    graph = govern(model, [], governor=governor, principal=CLERK)
    assert [part async for part in guarded_astream(graph, says("go"), guard=guard)]
