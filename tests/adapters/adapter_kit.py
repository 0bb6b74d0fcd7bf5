"""A governed office for the adapter tests: tools that write down what they did, a policy, and a way to drive graphs.

Invariant: what ran is read from ``Office.ran``, which only the tools themselves write; what was recorded is read from
the log's files, after ``verify_log`` found nothing wrong with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from aisecops_langchain import Governor, ToolGuardNode, govern, parse_policy, verify_log
from aisecops_langchain.audit import read_log
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize import Action, SanitizeConfig, Sanitizer, SeverityActions
from aisecops_langchain.testing import ScriptedChatModel

THREAD: dict[str, Any] = {"configurable": {"thread_id": "t1"}}

POLICY = """
version: 1
id: office
agents:
  clerk: {capabilities: [read, pay]}
capabilities:
  read: {tools: [search, note], risk: low}
  pay: {tools: [pay], risk: high, arguments: {amount: {max: 1000}}}
rules:
  - {id: reading, effect: allow, tools: [search, note]}
  - {id: paying, effect: require_approval, tools: [pay]}
"""
"""Reading runs, paying is asked about up to 1000 and denied above, and nobody holds a capability to wipe."""

TAINT_POLICY = """
version: 1
id: office-taint
agents:
  clerk: {capabilities: [read]}
capabilities:
  read: {tools: [search, note], risk: low}
rules:
  - {id: reading, effect: allow, tools: [search]}
  - {id: noting, effect: allow, tools: [note]}
  - {id: tainted, effect: deny, tools: [note], when: {context.integrity: {at_most: untrusted}}}
"""
"""Notes may be taken only while nothing untrusted was read."""

APPROVE = {"decisions": [{"type": "approve"}]}
REJECT = {"decisions": [{"type": "reject", "message": "no"}]}


def edit(name: str, **arguments: Any) -> dict[str, Any]:
    """Answer with another call instead."""
    return {"decisions": [{"type": "edit", "edited_action": {"name": name, "args": arguments}}]}


def says(text: str) -> dict[str, Any]:
    """A user's turn."""
    return {"messages": [("user", text)]}


@dataclass(frozen=True)
class Driver:
    """Drives one graph, sync (off the event loop) or async, and holds the checkpointer for it."""

    saver: BaseCheckpointSaver[Any] | None
    is_async: bool

    async def run(self, graph: CompiledStateGraph, given: Any, config: Any = THREAD, **kw: Any) -> Any:
        """Invoke anything that has ``invoke`` and ``ainvoke``."""
        if self.is_async:
            return await graph.ainvoke(given, config, **kw)
        return await asyncio.to_thread(graph.invoke, given, config, **kw)

    async def stream(self, graph: CompiledStateGraph, given: Any, config: Any = THREAD, **kw: Any) -> list[Any]:
        """Stream a graph to its end."""
        if self.is_async:
            return [chunk async for chunk in graph.astream(given, config, **kw)]
        return await asyncio.to_thread(lambda: list(graph.stream(given, config, **kw)))

    async def update(self, graph: CompiledStateGraph, values: Any, as_node: str | None = None) -> dict[str, Any]:
        """Write into the saved state of the thread."""
        if self.is_async:
            return await graph.aupdate_state(THREAD, values, as_node)
        return await asyncio.to_thread(graph.update_state, THREAD, values, as_node)

    async def state(self, graph: CompiledStateGraph, config: Any = THREAD) -> StateSnapshot:
        """Read the saved state of the thread."""
        if self.is_async:
            return await graph.aget_state(config)
        return await asyncio.to_thread(graph.get_state, config)

    async def history(self, graph: CompiledStateGraph) -> list[StateSnapshot]:
        """Read all saved states of the thread, newest first."""
        if self.is_async:
            return [snapshot async for snapshot in graph.aget_state_history(THREAD)]
        return await asyncio.to_thread(lambda: list(graph.get_state_history(THREAD)))


@dataclass
class Office:
    """A governor, the tools it governs, and what they did."""

    driver: Driver
    home: Path
    governor: Governor
    ran: list[str] = field(default_factory=list)

    def tools(self) -> list[BaseTool]:
        """The four tools of the office."""

        @tool
        def search(query: str) -> str:
            """Search the files."""
            self.ran.append(f"search {query}")
            return f"found {query}"

        @tool
        def note(text: str) -> str:
            """Take a note."""
            self.ran.append(f"note {text}")
            return "noted"

        @tool
        def pay(to: str, amount: float) -> str:
            """Pay someone."""
            self.ran.append(f"pay {to} {amount:g}")
            return f"paid {to}"

        @tool
        def wipe(path: str) -> str:
            """Delete files."""
            self.ran.append(f"wipe {path}")
            return "wiped"

        return [search, note, pay, wipe]

    def agent(
        self,
        *script: Any,
        tools: Sequence[BaseTool | Callable[..., Any]] | None = None,
        repeat: bool = False,
        governor: Governor | None = None,
        **kw: Any,
    ) -> CompiledStateGraph:
        """A governed agent that plays a script, with the driver's checkpointer."""
        model = ScriptedChatModel(script=list(script), repeat_last=repeat)
        kw.setdefault("checkpointer", self.driver.saver)
        return govern(model, self.tools() if tools is None else tools, governor=governor or self.governor, **kw)

    async def run(self, graph: CompiledStateGraph, given: Any, config: Any = THREAD, **kw: Any) -> Any:
        """Drive a graph."""
        return await self.driver.run(graph, given, config, **kw)

    def events(self) -> list[AnyEvent]:
        """Close the governor, verify the log and read it."""
        return read_events(self.governor)

    def kinds(self) -> list[str]:
        """Kinds of all events."""
        return [event.kind for event in self.events()]

    def of(self, kind: str) -> list[Any]:
        """Events of one kind."""
        return [event for event in self.events() if event.kind == kind]


def read_events(governor: Governor) -> list[AnyEvent]:
    """Close a governor, and read its log after checking it."""
    governor.close()
    assert governor.home is not None
    report = verify_log(governor.home / "audit")
    assert report.ok, report
    return [entry.parse() for entry in read_log(governor.home / "audit") if entry.is_event]


def log_bytes(governor: Governor) -> bytes:
    """Close a governor, and return everything that its log holds."""
    governor.close()
    assert governor.home is not None
    return b"".join(path.read_bytes() for path in sorted((governor.home / "audit").rglob("*")) if path.is_file())


def open_governor(home: Path, policy: str = POLICY, **kw: Any) -> Governor:
    """Open a governor that does not wait for the disk."""
    return Governor.open(parse_policy(policy), home, durability=kw.pop("durability", "none"), **kw)


def answers(result: Any) -> list[str]:
    """What the tool messages of a result say, in order."""
    return [str(message.content) for message in result["messages"] if isinstance(message, ToolMessage)]


def last_proposal(messages: Sequence[AnyMessage]) -> AIMessage:
    """The last message of a model that proposes calls."""
    return next(message for message in reversed(messages) if isinstance(message, AIMessage) and message.tool_calls)


def in_place_of(message: AIMessage, *calls: Any) -> AIMessage:
    """The same message, by its id, with other calls."""
    return AIMessage(message.content, id=message.id, tool_calls=list(calls))


def by_id(result: Any, **named: Any) -> dict[str, Any]:
    """A resume map: an answer for each pending call, found by the ``to`` it would pay."""
    pending = {item.value["action_requests"][0]["args"]["to"]: item.id for item in result["__interrupt__"]}
    return {pending[to]: answer for to, answer in named.items()}


def genuine_orders(snapshot: StateSnapshot, calls: Sequence[Any]) -> list[dict[str, Any]]:
    """Orders as the guard's edge sends them, rebuilt from what a saved state holds."""
    memory = snapshot.values["aisecops"]
    return [
        {
            "aisecops": {"trace": memory["trace"]},
            "call": dict(item),
            "plan": memory["plan"]["plan"],
            "permit": memory["next"]["permits"][item["id"]],
        }
        for item in calls
    ]


@contextmanager
def meddling(change: Callable[[Any], Any]) -> Iterator[None]:
    """Let an attacker change what the guard returns, between the guard and whatever follows it."""
    honest = ToolGuardNode.run

    def run(self: ToolGuardNode, state: Any, config: Any) -> Any:
        return change(honest(self, state, config))

    ToolGuardNode.run = run  # type: ignore[method-assign]
    try:
        yield
    finally:
        ToolGuardNode.run = honest  # type: ignore[method-assign]


EVERY = """
version: 1
id: every
agents: {{clerk: {{capabilities: [all]}}}}
capabilities: {{all: {{tools: [{names}], risk: low}}}}
rules: [{{id: all, effect: allow, tools: [{names}]}}]
"""


def allowing(*names: str) -> str:
    """A policy that allows exactly these tools."""
    return EVERY.format(names=", ".join(names))


def blocking(channel: SourceKind) -> Sanitizer:
    """A sanitizer that blocks whatever it finds at one door."""
    strict = SeverityActions(low=Action.BLOCK, medium=Action.BLOCK, high=Action.BLOCK)
    return Sanitizer(SanitizeConfig(channels={channel: strict}))
