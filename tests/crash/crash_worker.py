"""Governed runs in processes that can be killed: a server that imports once and forks one child for each job.

Started by ``crash_kit.Nursery``; speaks one JSON object per line on its standard streams.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

from crash_deaths import die_at
from crash_doors import build, durable
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from psycopg.conninfo import make_conninfo

from aisecops_langchain import Governor, parse_policy
from aisecops_langchain.domain.events import RunStarted
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.policy import PolicyEngine
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.runtime.ledger.postgres import PostgresLedger
from aisecops_langchain.runtime.ports import Table
from aisecops_langchain.sanitize import Sanitizer
from aisecops_langchain.testing import ScriptedChatModel, call

POLICY = parse_policy("""
version: 1
id: crash-tests
agents: {worker: {capabilities: [plain, repeatable, paying]}}
capabilities:
  plain: {tools: [look, slow], risk: low}
  repeatable: {tools: [sync, slow_sync], risk: low, idempotent: true}
  paying: {tools: [pay, slow_pay], risk: high}
rules:
  - {id: work, effect: allow, tools: [look, slow, sync, slow_sync]}
  - {id: pay, effect: require_approval, tools: [pay, slow_pay]}
""")

TURNS = {
    "one": [["look-1"]],
    "approval": [["pay-1"]],
    "two approvals": [["pay-1", "pay-2"]],
    "slow approval": [["slow_pay-1"]],
    "slow": [["slow-1"]],
    "slow_sync": [["slow_sync-1"]],
    "many": [["look-1", "sync-2", "look-3"], ["look-4"], ["sync-5", "look-6"]],
}
"""The calls of each turn, named by tool and number; the name is the call's id, too."""

SANITIZER = Sanitizer()


def tools_for(home: Path, thread: str):
    """Tools that leave one line for each time they ran."""

    def ran(name: str, number: int) -> str:
        descriptor = os.open(home / "ran", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{thread} {name}-{number}\n".encode())
        os.close(descriptor)
        return f"did {name} {number}"

    def slowly(name: str, number: int) -> str:
        answer = ran(name, number)
        (home / "started").touch()
        deadline = time.monotonic() + 60
        while not (home / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        return answer

    def look(number: int) -> str:
        """Do something once."""
        return ran("look", number)

    def sync(number: int) -> str:
        """Do something that may be done again."""
        return ran("sync", number)

    def pay(number: int) -> str:
        """Do something that a person must allow."""
        return ran("pay", number)

    def slow(number: int) -> str:
        """Do something and wait."""
        return slowly("slow", number)

    def slow_sync(number: int) -> str:
        """Do something that may be done again, and wait."""
        return slowly("slow_sync", number)

    def slow_pay(number: int) -> str:
        """Do something that a person must allow, and wait."""
        return slowly("slow_pay", number)

    return [tool(each) for each in (look, sync, pay, slow, slow_sync, slow_pay)]


def model_for(scenario: str) -> ScriptedChatModel:
    """A model that says what comes next in the conversation as it stands, in whatever process."""

    def turn(messages):
        said = sum(isinstance(message, AIMessage) for message in messages)
        turns = TURNS[scenario]
        if said >= len(turns):
            return "done"
        named = [name.rpartition("-") for name in turns[said]]
        return [call(tool_name, f"{tool_name}-{number}", number=int(number)) for tool_name, _, number in named]

    return ScriptedChatModel(script=[turn], repeat_last=True)


def agent_of(job: dict, governor: Governor, checkpointer):
    tools = tools_for(Path(job["world"]), job["thread"])
    return build(job, model_for(job["scenario"]), tools, governor, checkpointer)


def what_to_say(job: dict, state):
    """The input that carries the run on from where its thread stands; ``None`` lets LangGraph go on."""
    if job["action"] == "approve":
        return Command(resume={"decisions": [{"type": "approve"}]})
    if job["action"] == "approve all":
        answer = {"decisions": [{"type": "approve"}]}
        return Command(resume={interrupt.id: answer for interrupt in state.interrupts})
    if not state.values:
        return {"messages": [("user", "go")]}
    return None


def report(job: dict, state, error: BaseException | None = None) -> None:
    messages = [(m.type, getattr(m, "status", ""), m.text) for m in state.values.get("messages", [])] if state else []
    found = {
        "messages": messages,
        "waiting": len(state.interrupts) if state else 0,
        "next": list(state.next) if state else [],
        "error": "" if error is None else f"{type(error).__name__}: {error}",
    }
    Path(job["result"]).write_text(json.dumps(found))


def stall(home: Path) -> None:
    """Hold a write of the checkpointer up, as a slow or distant store would."""
    (home / "stalled").touch()
    deadline = time.monotonic() + 60
    while not (home / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.005)


class StallingSaver(SqliteSaver):
    """A checkpointer that keeps the input at once and everything later late."""

    home: Path

    def put(self, config, checkpoint, metadata, new_versions):
        if metadata.get("step", 0) >= 1:
            stall(self.home)
        return super().put(config, checkpoint, metadata, new_versions)


class StallingAsyncSaver(AsyncSqliteSaver):
    """The same on an event loop."""

    home: Path

    async def aput(self, config, checkpoint, metadata, new_versions):
        if metadata.get("step", 0) >= 1:
            await asyncio.to_thread(stall, self.home)
        return await super().aput(config, checkpoint, metadata, new_versions)


def config_of(job: dict) -> dict:
    return {"configurable": {"thread_id": job["thread"]}}


def shared(job: dict) -> str:
    """Where in PostgreSQL the hosts of a job meet, under a name by which their sessions can be told from all others."""
    name = f"{job['schema']}_{Path(job['home']).name}"[:60]
    url = os.environ["AISECOPS_TEST_POSTGRES_URL"]
    return make_conninfo(url, application_name=name, options=f"-c search_path={job['schema']}")


def open_governor(job: dict, policy: PolicyEngine = POLICY, durability: str = "group") -> Governor:
    """Open the home of a job, with a ledger of its own or with the one that its host shares with others."""
    ledger = PostgresLedger(shared(job), schema=job["schema"], max_connections=2) if job.get("schema") else None
    return Governor.open(policy, job["home"], ledger=ledger, durability=durability, sanitizer=SANITIZER)


@contextmanager
def open_saver(job: dict):
    """Open the checkpointer of a job."""
    if job.get("schema"):
        with PostgresSaver.from_conn_string(shared(job)) as saver:
            yield saver
        return
    home = Path(job["home"])
    kind = StallingSaver if job.get("stalling") else SqliteSaver
    with kind.from_conn_string(str(home / "checkpoints.sqlite3")) as saver:
        saver.home = home
        yield saver


@asynccontextmanager
async def open_async_saver(job: dict):
    """Open the checkpointer of a job on an event loop."""
    if job.get("schema"):
        async with AsyncPostgresSaver.from_conn_string(shared(job)) as saver:
            yield saver
        return
    home = Path(job["home"])
    async with AsyncSqliteSaver.from_conn_string(str(home / "checkpoints.sqlite3")) as plain:
        saver = StallingAsyncSaver(plain.conn) if job.get("stalling") else plain
        saver.home = home
        yield saver


def run(job: dict) -> None:
    """Carry one thread on, synchronously."""
    config = config_of(job)
    with open_saver(job) as saver, open_governor(job) as governor:
        agent = agent_of(job, governor, saver)
        state = agent.get_state(config)
        agent.invoke(what_to_say(job, state), config, **durable(job))
        report(job, agent.get_state(config))


async def arun(job: dict) -> None:
    """Carry one thread on, on an event loop."""
    config = config_of(job)
    async with open_async_saver(job) as saver:
        with open_governor(job) as governor:
            agent = agent_of(job, governor, saver)
            state = await agent.aget_state(config)
            await agent.ainvoke(what_to_say(job, state), config, **durable(job))
            report(job, await agent.aget_state(config))


def grant(job: dict) -> None:
    """Answer what waits in the ledger with a yes, on a host that has neither the graph nor its state."""
    with open_governor(job) as governor:
        waiting = [governor.approvals.find(row.key) for row in governor._ledger.scan(Table.APPROVALS, state="pending")]
        for record in waiting:
            governor.approvals.answer(record.binding, Approve(), Approver(id="grace", verified=True))
    report(job, None)
    if job.get("then") == "die":
        Path(job["home"], "granted").touch()
        signal.pause()


def fill_the_disk(job: dict) -> None:
    """Run once for each of many amounts of free space, so that the log cannot grow at any moment of the run.

    The log is made the largest file first, so that a bound on the size of files stops it alone.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    home = Path(job["home"])
    found = []
    with ExitStack() as stack:
        saver = stack.enter_context(SqliteSaver.from_conn_string(":memory:"))
        governor = stack.enter_context(Governor.open(POLICY, home, sanitizer=SANITIZER))
        scope = governor.scope(trace="ab" * 16, thread="filler", checkpoint_ns="", principal=Principal(agent="worker"))
        for number in range(20):
            governor.recorder.record(RunStarted, scope, str(number), tools=("x" * 200_000,))
        (segment,) = (home / "audit").glob("*.jsonl")
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        for number, space in enumerate(range(0, job["most"], job["step"])):
            named = {**job, "thread": f"thread-{number}"}
            agent = agent_of(named, governor, saver)
            error, messages = "", []
            resource.setrlimit(resource.RLIMIT_FSIZE, (segment.stat().st_size + space, hard))
            try:
                state = agent.invoke({"messages": [("user", "go")]}, {"configurable": {"thread_id": named["thread"]}})
                messages = [(m.type, getattr(m, "status", ""), m.text) for m in state["messages"]]
            except Exception as failure:
                error = f"{type(failure).__name__}: {failure}"
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            found.append({"space": space, "thread": named["thread"], "error": error, "messages": messages})
    Path(job["result"]).write_text(json.dumps(found))


def work(job: dict) -> None:
    if job["action"] == "fill the disk":
        fill_the_disk(job)
        return
    if "die_at" in job:
        die_at(job["die_at"], job.get("around", "checkpoints"))
    if job["action"] == "grant":
        grant(job)
    elif job.get("mode") == "async":
        asyncio.run(arun(job))
    else:
        run(job)


def child(job: dict, work: Callable[[dict], None]) -> None:
    """Do one job and leave without any farewell to the server's own state."""
    status = 1
    try:
        work(job)
        status = 0
    except BaseException as error:
        traceback.print_exc()
        report(job, None, error)
    finally:
        sys.stderr.flush()
        os._exit(status)


def serve(work: Callable[[dict], None] = work) -> None:
    """Fork a child for each job on standard input, until that ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            print(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            sys.stdin.close()
            child(job, work)
        print(pid, flush=True)


if __name__ == "__main__":
    serve()
