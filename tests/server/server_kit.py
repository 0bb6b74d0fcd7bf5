"""A real ``langgraph dev`` with the example agent, and the people who talk to it.

Invariant: the server runs a copy of the example with blocking detection on, reaches nothing but this machine, and is
ended by its own process id.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

TESTS = Path(__file__).parents[1]
EXAMPLE = TESTS.parent / "examples" / "server"

APPROVE = {"decisions": [{"type": "approve"}]}
REJECT = {"decisions": [{"type": "reject", "message": "not today"}]}

PROBES = '''
"""Graphs that only the test needs: one that blocks the event loop, and a governed one whose tools fail and linger."""

import asyncio
import time

from graph import governor, identity, support_desk
from langchain_core.tools import StructuredTool
from langgraph.graph import MessagesState, StateGraph

from aisecops_langchain import govern
from aisecops_langchain.testing import ScriptedChatModel


async def block(state):
    time.sleep(0.2)
    return {}


async def refund(to: str, euros: float) -> str:
    """Refund a customer."""
    if to == "Nobody":
        raise ValueError("there is no such customer")
    await asyncio.sleep(60)
    return "refunded"


blocking = StateGraph(MessagesState).add_node("block", block).add_edge("__start__", "block").compile()
clumsy = govern(
    ScriptedChatModel(script=[support_desk], repeat_last=True),
    [StructuredTool.from_function(coroutine=refund)],
    governor=governor,
    agent="support",
    identity=identity,
)
'''


class Person:
    """Somebody with a token of the example's login.

    Args:
        url: Where the server is.
        name: Who.
    """

    def __init__(self, url: str, name: str) -> None:
        self._client: LangGraphClient = get_client(url=url, headers={"Authorization": f"Bearer token-of-{name}"})

    async def thread(self) -> str:
        """Begin a thread."""
        return str((await self._client.threads.create())["thread_id"])

    async def say(self, thread: str, words: str, *, graph: str = "support", **kw: Any) -> dict[str, Any]:
        """Say something and wait for what comes of it; an error of the run is returned as ``error``."""
        given = {"messages": [{"role": "user", "content": words}]}
        return await self._wait(thread, graph, input=given, **kw)

    async def resume(self, thread: str, answer: object) -> dict[str, Any]:
        """Resume a thread with an answer."""
        return await self._wait(thread, "support", command={"resume": answer})

    async def cut_off(self, words: str, log: Path) -> str:
        """Begin a run of the lingering tool, cancel it under way, and tell how it ended."""
        thread, given = await self.thread(), {"messages": [{"role": "user", "content": words}]}
        run = await self._client.runs.create(thread, "clumsy", input=given, durability="sync")
        await asyncio.to_thread(_until_started, thread, log)
        await self._client.runs.cancel(thread, run["run_id"], wait=True)
        return str((await self._client.runs.get(thread, run["run_id"]))["status"])

    async def _wait(self, thread: str, graph: str, **kw: Any) -> dict[str, Any]:
        try:
            found = await self._client.runs.wait(thread, graph, durability="sync", **kw)
        except httpx.HTTPStatusError as error:
            return {"status": error.response.status_code}
        except Exception as error:  # the client raises a bare one for a run that failed
            return {"error": str(error)}
        assert isinstance(found, dict)
        return found


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Serve the example, and end the server when done."""
    app = folder / "app"
    shutil.copytree(EXAMPLE, app, ignore=shutil.ignore_patterns("__pycache__", "governance", ".langgraph_api"))
    (app / "probes.py").write_text(PROBES)
    settings = json.loads((app / "langgraph.json").read_text())
    settings["graphs"] |= {"blocking": "./probes.py:blocking", "clumsy": "./probes.py:clumsy"}
    (app / "langgraph.json").write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "server.log").open("w") as output:
        process = await asyncio.to_thread(_begin, folder, port, output)
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_up(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.to_thread(process.wait, 20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _begin(folder: Path, port: int, output: IO[str]) -> subprocess.Popen[bytes]:
    command = [Path(sys.executable).with_name("langgraph"), "dev", "--no-browser", "--no-reload"]
    return subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder / "app",
        env=_environment(folder),
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def _until_started(thread: str, log: Path) -> None:
    """Wait until the log says that a tool of a thread was started."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        lines = (line for path in log.glob("*.jsonl") for line in path.read_text().splitlines())
        if any(thread in line and '"execution_started"' in line for line in lines):
            return
        time.sleep(0.1)
    raise AssertionError("the tool did not start")


def _environment(folder: Path) -> dict[str, str]:
    paths = [str(TESTS / "server" / "loopback"), str(TESTS.parent)]
    return {
        **os.environ,
        "AISECOPS_HOME": str(folder / "home"),
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGSMITH_TRACING": "false",
        "PYTHONPATH": os.pathsep.join(paths),
        "TEST_ATTEMPTS": str(folder / "attempts.txt"),
    }


async def _until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    async with httpx.AsyncClient() as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                if (await client.get(f"{url}/ok")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise AssertionError("the server did not start")
