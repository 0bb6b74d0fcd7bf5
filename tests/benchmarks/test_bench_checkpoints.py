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


class Side:
    """One checkpointer with one growing thread, and the wall time of each of its operations in microseconds."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self.saver = saver
        self.config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        self.spent: dict[str, list[float]] = {}

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        before = time.perf_counter_ns()
        result = work()
        self.spent.setdefault(name, []).append((time.perf_counter_ns() - before) / 1000)
        return result

    def step(self, number: int, values: dict[str, Any]) -> None:
        """Store a checkpoint and the writes of two tasks, and read the latest state."""
        versions: Any = dict.fromkeys(values, f"{number:032}.0")
        checkpoint: Any = {**empty_checkpoint(), "channel_values": values, "channel_versions": versions}
        metadata: Any = {"source": "loop", "step": number, "parents": {}}
        self.config = self.timed("put", lambda: self.saver.put(self.config, checkpoint, metadata, versions))
        writes = [("messages", values["messages"][:1])]
        for task in ("one", "two"):
            self.timed("put_writes", lambda: self.saver.put_writes(self.config, writes, task))  # noqa: B023
        self.timed("get_tuple", lambda: self.saver.get_tuple({"configurable": {"thread_id": "t"}}))


@pytest.mark.parametrize("turns", [2, 50])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_cost_of_sealing(kind: str, turns: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def opened(name: str) -> Any:
        return SqliteSaver.from_conn_string(str(tmp_path / name)) if kind == "sqlite" else InMemorySaver()

    values = conversation(turns)
    with (
        Governor.open(parse_policy(POLICY), tmp_path / "home") as governor,
        opened("plain") as one,
        opened("sealed") as other,
    ):
        plain, sealed = Side(one), Side(SealedCheckpointer(other, governor))
        for number in range(ROUNDS):  # in turns, so that both meet the same machine
            plain.step(number, values)
            sealed.step(number, values)
    with capsys.disabled():
        print(f"\n{kind}, {turns} turns")
        for name, times in plain.spent.items():
            before, after = statistics.median(times), statistics.median(sealed.spent[name])
            print(f"  {name:10} {before:8.0f} us plain {after:8.0f} us sealed  x{after / before:.2f}")
    assert plain.spent.keys() == sealed.spent.keys()
