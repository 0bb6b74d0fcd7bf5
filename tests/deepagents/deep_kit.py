"""A deep agent with a boss, deepagents' own subagent and a researcher; the model is scripted by who is asked.

Invariant: what ran is read from ``Team.ran``, which only the tools themselves write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool

from aisecops_langchain import Governor, Principal, govern_deep_agent, parse_policy, verify_log
from aisecops_langchain.audit import read_log
from aisecops_langchain.testing import ScriptedChatModel, call

BOSS = Principal(agent="boss", user="ann")
THREAD: Any = {"configurable": {"thread_id": "t1"}}
RESEARCHER = {"name": "researcher", "description": "Researches.", "system_prompt": "You research."}

POLICY = """
version: 1
id: deep
agents:
  boss: {capabilities: [read, ask, danger, files]}
  general-purpose: {capabilities: [read, files]}
  researcher: {capabilities: [read, danger, mail]}
capabilities:
  read: {tools: [search, ls, read_file], risk: low}
  files: {tools: [write_file], risk: low}
  ask: {tools: [task], risk: low}
  danger: {tools: [wipe], risk: high}
  mail: {tools: [send], risk: high}
rules:
  - {id: free, effect: allow, tools: [search, ls, read_file, write_file, task, send]}
  - {id: asked, effect: require_approval, tools: [wipe]}
  - {id: not-there, effect: deny, tools: [write_file], when: {args.file_path: {starts_with: /etc}}}
"""


@dataclass
class Team:
    """A governor, tools, and what they did."""

    home: Path
    is_async: bool
    governor: Governor = field(init=False)
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.governor = Governor.open(parse_policy(POLICY), self.home, durability="none")

    def tools(self) -> list[BaseTool]:
        """The team's tools."""

        @tool
        def search(query: str) -> str:
            """Search."""
            self.ran.append(f"search {query}")
            return f"found {query}"

        @tool
        def wipe(path: str) -> str:
            """Delete files."""
            self.ran.append(f"wipe {path}")
            return "wiped"

        @tool
        def send(to: str) -> str:
            """Send a mail."""
            self.ran.append(f"send {to}")
            return "sent"

        return [search, wipe, send]

    def agent(self, boss: Sequence[Any], subagent: Sequence[Any] = (), **options: Any) -> Any:
        """A governed deep agent."""
        options.setdefault("subagents", [RESEARCHER])
        options.setdefault("principal", BOSS)
        return govern_deep_agent(model(boss, subagent), self.tools(), governor=self.governor, **options)

    async def run(self, agent: Any, given: Any, config: Any = THREAD) -> Any:
        """Drive it, sync or async."""
        if self.is_async:
            return await agent.ainvoke(given, config)
        return await asyncio.to_thread(agent.invoke, given, config)

    def events(self, kind: str) -> list[Any]:
        """Close the governor, check the log, and return the events of one kind."""
        self.governor.close()
        report = verify_log(self.home / "audit")
        assert report.ok, report
        log = (entry.parse() for entry in read_log(self.home / "audit") if entry.is_event)
        return [event for event in log if event.kind == kind]


def model(boss: Sequence[Any], subagent: Sequence[Any] = ()) -> ScriptedChatModel:
    """A model that plays one script for the boss, and another one for whoever is given a task."""

    def turn(messages: list[Any]) -> Any:
        words = next(message.text for message in messages if message.type == "human")
        script = subagent if words.startswith("TASK") else boss
        return script[sum(message.type == "ai" for message in messages)]

    return ScriptedChatModel(script=[turn], repeat_last=True)


def task(agent: str, words: str = "TASK: do it") -> Any:
    """A call by which the boss begins a subagent."""
    return call("task", f"task-{agent}", description=words, subagent_type=agent)


def says(text: str) -> dict[str, Any]:
    """A user's turn."""
    return {"messages": [("user", text)]}


def answers(result: Any) -> list[str]:
    """What tool messages say, in order."""
    return [message.text for message in result["messages"] if isinstance(message, ToolMessage)]
