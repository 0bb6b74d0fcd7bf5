"""Workers of the chaos campaign: each carries the same threads on until all of them are done, or until it is killed.

Started by ``chaos_kit`` through the server of the crash tests. Each tool writes a line to the journal of the world each
time that it runs, and first looks whether its own intent had reached the disk by then.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
import traceback
import zlib
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "crash"))

from crash_worker import open_async_saver, open_governor, open_saver, serve
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.types import Command

from aisecops_langchain import Governor, govern, parse_policy
from aisecops_langchain.adapters.core.acting import current_call, recipient_of
from aisecops_langchain.audit import chain
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = parse_policy("""
version: 1
id: chaos
agents: {worker: {capabilities: [plain, repeatable, paying]}}
capabilities:
  plain: {tools: [look], risk: low}
  repeatable: {tools: [sync], risk: low, idempotent: true}
  paying: {tools: [pay], risk: high}
rules:
  - {id: work, effect: allow, tools: [look, sync]}
  - {id: pay, effect: require_approval, tools: [pay]}
limits: {permit_ttl_seconds: 600, approval_ttl_seconds: 3600}
""")

TURNS = (("pay-1", "look-2"), ("sync-3", "pay-4", "pay-5"))
"""The calls of each turn; the name is the call's id, too."""

DAWDLE_SECONDS = 0.02
EDITED = 100
"""What an approver who edits adds to a number."""


class Disk:
    """Knows what of a segment was confirmed to be on disk, by watching the only call that asks for it."""

    def __init__(self) -> None:
        self._synced: dict[int, int] = {}
        self._sync = chain._sync_data
        chain._sync_data = self._watched

    def _watched(self, descriptor: int) -> None:
        before = os.fstat(descriptor)
        self._sync(descriptor)
        self._synced[before.st_ino] = max(before.st_size, self._synced.get(before.st_ino, 0))

    def holds_intent(self, segment: Path, recipient: str) -> bool:
        """Whether the intent of the call that goes by this name was on disk when it was last synced."""
        safe = self._synced.get(segment.stat().st_ino, 0)
        for line in segment.read_bytes()[:safe].splitlines():
            if b'"execution_started"' in line and recipient_of(json.loads(line)["permit"]) == recipient:
                return True
        return False


def tools_for(job: dict, governor: Governor, disk: Disk):
    """Tools that say in the journal that they ran, and take some time."""
    segment = Path(job["home"]) / "audit" / f"{governor._sink.segment}.jsonl"

    def ran(name: str, number: int) -> str:
        now = current_call()
        line = {
            "thread": now.scope.thread,
            "call": f"{name}-{number}",
            "recipient": now.recipient,
            "durable": disk.holds_intent(segment, now.recipient),
        }
        descriptor = os.open(Path(job["world"]) / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)
        time.sleep(random.uniform(0, DAWDLE_SECONDS))
        return f"did {name} {number}"

    def look(number: int) -> str:
        """Do something once."""
        return ran("look", number)

    def sync(number: int) -> str:
        """Do something that may be done again."""
        return ran("sync", number)

    def pay(number: int) -> str:
        """Do something that a person must allow."""
        return ran("pay", number)

    return [tool(each) for each in (look, sync, pay)]


def model() -> ScriptedChatModel:
    """A model that says what comes next in the conversation as it stands, in whatever process."""

    def turn(messages):
        said = sum(isinstance(message, AIMessage) for message in messages)
        if said >= len(TURNS):
            return "done"
        named = [name.rpartition("-") for name in TURNS[said]]
        return [call(tool_name, f"{tool_name}-{number}", number=int(number)) for tool_name, _, number in named]

    return ScriptedChatModel(script=[turn], repeat_last=True)


class Carrier:
    """Carries threads on, one step of the conversation at a time; says what to say next, and what is done."""

    def __init__(self, job: dict, governor: Governor) -> None:
        self.job = job
        self.chance = random.Random(job["seed"])
        self.governor = governor
        self.faults: Counter[str] = Counter()
        self.left = list(job["threads"])

    def pick(self) -> str:
        return self.chance.choice(self.left)

    def next_input(self, thread: str, state):
        """What carries a thread on from where it stands; ``Ellipsis`` once there is nothing left to do."""
        if not state.values:
            return {"messages": [HumanMessage("go", id=f"{thread}-user")]}
        if state.interrupts:
            if self.chance.random() < 0.3:
                self.answer_through_the_service(thread, state)
                return None
            return Command(resume={item.id: decision(thread, item.value) for item in state.interrupts})
        if state.next:
            return None
        last = state.values["messages"][-1]
        if isinstance(last, HumanMessage | ToolMessage):
            return None
        self.left.remove(thread)
        return ...

    def answer_through_the_service(self, thread: str, state) -> None:
        """Answer in the ledger, as another host would, and let the graph find it there."""
        for item in state.interrupts:
            record = self.governor.approvals.find(item.value["aisecops"]["approval"])
            if record is not None and kind_of(thread, item.value) == "approve":
                self.governor.approvals.answer(record.binding, Approve(), Approver(id="grace", verified=True))

    def failed(self, error: Exception) -> None:
        """Take note of a fault; whoever races with others and is cut off has to bear some."""
        self.faults[type(error).__name__] += 1
        if self.faults.total() > 500:
            raise error
        if self.faults[type(error).__name__] == 1:
            traceback.print_exc()
        time.sleep(self.chance.uniform(0, 0.02))


def kind_of(thread: str, question: dict) -> str:
    """How the people of this world answer a question: always the same way, whoever asks."""
    number = question["action_requests"][0]["args"]["number"]
    return ("approve", "approve", "approve", "edit", "reject")[zlib.crc32(f"{thread} {number}".encode()) % 5]


def decision(thread: str, question: dict) -> dict:
    """The answer to a question, as an interface sends it."""
    kind, asked = kind_of(thread, question), question["action_requests"][0]
    if kind == "edit":
        action = {"name": asked["name"], "args": {"number": asked["args"]["number"] + EDITED}}
        return {"decisions": [{"type": "edit", "edited_action": action}]}
    return {"decisions": [{"type": kind}]}


@contextmanager
def carrying(job: dict, saver):
    """An agent on this host, and who drives it."""
    disk = Disk()
    with open_governor(job, POLICY, job["durability"]) as governor:
        tools = tools_for(job, governor, disk)
        Path(job["result"]).with_suffix(".up").touch()
        yield govern(model(), tools, governor=governor, checkpointer=saver, spans=False), Carrier(job, governor)


def config_of(thread: str) -> dict:
    return {"configurable": {"thread_id": thread}}


def run(job: dict) -> Counter[str]:
    with open_saver(job) as saver, carrying(job, saver) as (agent, carrier):
        while carrier.left:
            config = config_of(thread := carrier.pick())
            try:
                given = carrier.next_input(thread, agent.get_state(config))
                if given is not ...:
                    agent.invoke(given, config)
            except Exception as error:
                carrier.failed(error)
    return carrier.faults


async def arun(job: dict) -> Counter[str]:
    async with open_async_saver(job) as saver:
        with carrying(job, saver) as (agent, carrier):
            while carrier.left:
                config = config_of(thread := carrier.pick())
                try:
                    given = carrier.next_input(thread, await agent.aget_state(config))
                    if given is not ...:
                        await agent.ainvoke(given, config)
                except Exception as error:
                    carrier.failed(error)
    return carrier.faults


def work(job: dict) -> None:
    random.seed(job["seed"])
    faults = asyncio.run(arun(job)) if job["mode"] == "async" else run(job)
    Path(job["result"]).write_text(json.dumps(faults))


if __name__ == "__main__":
    serve(work)
