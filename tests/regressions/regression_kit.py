"""What several regression tests share beside the kits of the adapters and the runtime.

Invariant: nothing here governs.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from adapter_kit import Office, open_governor
from langgraph.types import Command

from aisecops_langchain.testing import FixedClock, call

PAY_PROD = call("pay", "c9", to="PROD-payments", amount=900)

TWO_AGENTS = """
version: 1
id: two
agents: {clerk: {capabilities: [pay]}, rogue: {capabilities: [pay]}}
capabilities: {pay: {tools: [pay], risk: high}}
rules: [{id: pay, effect: require_approval, tools: [pay]}]
"""


def on_thread(thread: str, **configurable: Any) -> dict[str, Any]:
    """Configuration of another thread."""
    return {"configurable": {"thread_id": thread, **configurable}}


def answer_by_id(result: Any, answer: Any) -> Command[Any]:
    """Answer the one pending question of a result, naming it."""
    (question,) = result["__interrupt__"]
    return Command(resume={question.id: answer})


def governed_by(office: Office, policy: str, folder: str = "other", **kw: Any) -> FixedClock:
    """Put the office under another policy, with a clock that the test turns."""
    clock = FixedClock()
    office.governor.close()
    office.home = office.home / folder
    office.governor = open_governor(office.home, policy, clock=clock, **kw)
    return clock


def started(office: Office) -> list[tuple[str, str]]:
    """Tool and call id of everything that the log says was begun."""
    return [(event.tool, event.call_id) for event in office.of("execution_started")]


def edited_at_rest(path: Path, old: bytes, new: bytes) -> int:
    """Replace bytes of equal length in everything that a SQLite checkpointer keeps; returns in how many rows."""
    assert len(old) == len(new)
    rows = 0
    with closing(sqlite3.connect(path)) as attacker:
        for table, column in (("checkpoints", "checkpoint"), ("writes", "value")):
            for row, blob in attacker.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                if old in blob:
                    attacker.execute(f"UPDATE {table} SET {column}=? WHERE rowid=?", (blob.replace(old, new), row))
                    rows += 1
        attacker.commit()
    return rows
