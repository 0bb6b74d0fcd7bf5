"""Real MCP servers on this machine, over stdio and streamable HTTP, and agents that call them.

Invariant: what a server did is read from its own book, which nobody else writes.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from aisecops_langchain import GovernanceInterceptor, Governor, Principal, govern, parse_policy, verify_log
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.audit import read_log
from aisecops_langchain.runtime.decisions.pins import Pins
from aisecops_langchain.testing import ScriptedChatModel

HERE = Path(__file__).parent
CLERK = Principal(agent="clerk")
INJECTED = "mallory 900"
"""Words that every injection of the servers holds."""

POLICY = """
version: 1
id: mcp
agents: {clerk: {capabilities: [read, pay]}, reader: {capabilities: [wrap]}}
capabilities:
  read: {tools: [lookup, poisoned, blocks, fails, hangs, dies, upgrade, odd, office_lookup, evil_lookup], risk: low}
  wrap: {tools: [wrapper], risk: low}
  pay: {tools: [pay], risk: high, arguments: {amount: {max: 1000}}}
rules:
  - {id: wrapping, effect: allow, tools: [wrapper]}
  - {id: reading, effect: allow, tools: [lookup, poisoned, blocks, fails, hangs, dies, upgrade, odd, office_lookup]}
  - {id: small, effect: allow, tools: [pay], when: {args.amount: {le: 50}}}
  - {id: large, effect: require_approval, tools: [pay], when: {args.amount: {gt: 50}}}
"""


@dataclass
class Office:
    """A governor, servers, and their books."""

    folder: Path
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    books: dict[str, Path] = field(default_factory=dict)
    governor: Governor = field(init=False)

    def __post_init__(self) -> None:
        self.governor = self.open()

    def open(self, **kw: Any) -> Governor:
        """Open a governor in a home of its own."""
        home = self.folder / f"home-{len(list(self.folder.glob('home-*')))}"
        return Governor.open(parse_policy(POLICY), home, durability="none", **kw)

    def serve(self, name: str = "office") -> None:
        """Add FastMCP's honest server over stdio: a process for each session."""
        self.books[name] = self.folder / name / "book"
        self.books[name].parent.mkdir()
        self.connections[name] = _stdio("honest_server.py", self.books[name], "stdio")

    def reach(self, connection: dict[str, Any], book: Path, name: str = "office") -> None:
        """Add a server that runs already."""
        book.unlink(missing_ok=True)
        self.books[name], self.connections[name] = book, dict(connection)

    def serve_odd(self, tools: list[dict[str, Any]], name: str = "odd") -> None:
        """Add a server that says what it is told to, or tell it something else."""
        table = self.folder / f"{name}.json"
        table.write_text(json.dumps(tools))
        self.books[name] = self.folder / f"{name}.book"
        self.connections[name] = _stdio("odd_server.py", self.books[name], str(table))

    def book(self, name: str = "office") -> list[str]:
        """What a server did."""
        book = self.books[name]
        return book.read_text().splitlines() if book.exists() else []

    def events(self, kind: str, governor: Governor | None = None) -> list[Any]:
        """Close a governor, check its log, and return the events of one kind."""
        governor = governor or self.governor
        governor.close()
        assert governor.home is not None
        report = verify_log(governor.home / "audit")
        assert report.ok, report
        log = (entry.parse() for entry in read_log(governor.home / "audit") if entry.is_event)
        return [event for event in log if event.kind == kind]

    def guard(self, governor: Governor | None = None, **kw: Any) -> GovernanceInterceptor:
        """The interceptor under test."""
        return GovernanceInterceptor(
            self.connections, governor=governor or self.governor, **{"principal": CLERK, "timeout_seconds": 20, **kw}
        )

    async def tools(self, *interceptors: Any, prefix: bool = False) -> list[BaseTool]:
        """The servers' tools as a client gets them, behind interceptors."""
        client = MultiServerMCPClient(self.connections, tool_interceptors=list(interceptors), tool_name_prefix=prefix)
        return await client.get_tools()

    async def pins(self) -> Pins:
        """Pins of what the servers say now."""
        return Pins.of(GovernedTool(tool).describe() for tool in await self.tools())


@contextmanager
def serving(book: Path) -> Iterator[dict[str, Any]]:
    """Serve the honest server over streamable HTTP, one process for all sessions; yields how to reach it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(HERE / "honest_server.py"), str(book), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _until_listening(port, process)
        yield {"transport": "streamable_http", "url": f"http://127.0.0.1:{port}/mcp"}
    finally:
        process.terminate()
        process.wait(10)


def answers(result: Any) -> list[str]:
    """What tool messages say, in order."""
    return [message.text for message in result["messages"] if isinstance(message, ToolMessage)]


def says(text: str) -> dict[str, Any]:
    """A user's turn."""
    return {"messages": [("user", text)]}


def plain_agent(tools: Sequence[BaseTool], *script: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
    """An agent that nobody governs: a model, LangGraph's own tool node, a checkpointer."""
    model = ScriptedChatModel(script=list(script))

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("tools", ToolNode(list(tools)))
    graph.add_edge(START, "ask").add_conditional_edges("ask", tools_condition).add_edge("tools", "ask")
    return graph.compile(checkpointer=InMemorySaver())


def agent_of(office: Office, mode: str, tools: Sequence[BaseTool], *script: Any, governor: Any = None) -> Any:
    """An agent over the same tools: nobody's (``alone``), or one under governed nodes (``governed``)."""
    if mode == "alone":
        return plain_agent(tools, *script)
    model = ScriptedChatModel(script=list(script))
    return govern(model, tools, governor=governor or office.governor, principal=CLERK, checkpointer=InMemorySaver())


def _stdio(script: str, book: Path, *more: str) -> dict[str, Any]:
    return {"transport": "stdio", "command": sys.executable, "args": [str(HERE / script), str(book), *more]}


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the MCP server did not start")
