"""What sealing adds to storing and reading checkpoints, as a ratio measured in one run.

Run on demand (``make bench``); nothing here is a timed assertion.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from aisecops_langchain import Governor, SealedCheckpointer, parse_policy

ROUNDS = 150
POLICY = """
version: 1
id: bench
agents: {bench: {capabilities: [read]}}
capabilities: {read: {tools: [lookup], risk: low}}
rules: [{id: read, effect: allow, tools: [lookup]}]
"""


def conversation(turns: int) -> dict[str, Any]:
    """A state of so many turns of about 600 characters."""
    turn = [HumanMessage("please look it up " * 15), AIMessage("here is what I found " * 15)]
    return {"messages": turn * turns, "aisecops": {"trace": "ab" * 16, "plan": {"steps": ["x" * 100] * 5}}}


class Laps:
    """Wall time of each operation, in microseconds."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        before = time.perf_counter_ns()
        result = work()
        self.spent.setdefault(name, []).append((time.perf_counter_ns() - before) / 1000)
        return result

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self.spent.items()}


def measure(saver: BaseCheckpointSaver[Any], values: dict[str, Any]) -> dict[str, float]:
    """One thread that grows: a checkpoint, the writes of two tasks, the latest state, each in turn."""
    laps, config = Laps(), {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
    for step in range(ROUNDS):
        versions = dict.fromkeys(values, f"{step:032}.0")
        checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
        metadata = {"source": "loop", "step": step, "parents": {}}
        config = laps.time("put", lambda: saver.put(config, checkpoint, metadata, versions))  # noqa: B023
        for task in ("one", "two"):
            laps.time("put_writes", lambda: saver.put_writes(config, [("messages", values["messages"][:1])], task))  # noqa: B023
        laps.time("get_tuple", lambda: saver.get_tuple({"configurable": {"thread_id": "t"}}))
    return laps.medians()


@pytest.mark.parametrize("turns", [2, 50])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_cost_of_sealing(kind: str, turns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def savers(name: str) -> Any:
        return SqliteSaver.from_conn_string(str(tmp_path / name)) if kind == "sqlite" else InMemorySaver()

    with savers("plain") as saver:
        plain = measure(saver, conversation(turns))
    with Governor.open(parse_policy(POLICY), tmp_path / "home") as governor, savers("sealed") as saver:
        sealed = measure(SealedCheckpointer(saver, governor), conversation(turns))
    with capsys.disabled():
        print(f"\n{kind}, {turns} turns")
        for name, cost in plain.items():
            print(f"  {name:10} {cost:8.0f} us plain {sealed[name]:8.0f} us sealed  x{sealed[name] / cost:.2f}")
    assert plain.keys() == sealed.keys()
