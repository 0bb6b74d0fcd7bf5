"""Three checkpoint stores, an attacker who can rewrite any of them at rest, and a graph that waits for a yes.

Invariant: the attacker works on the stores' own tables, past every checkpointer; he has no key.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from operator import add
from pathlib import Path
from typing import Annotated, Any, TypedDict

import psycopg
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import interrupt

from aisecops_langchain.adapters.checkpoints.carrier import PlainSerde

POSTGRES = os.environ.get("AISECOPS_TEST_POSTGRES_URL", "")
KINDS = ["memory", "sqlite", *(["postgres"] if POSTGRES else [])]
SEALED = "aisecops_sealed"
SERDE = PlainSerde()

Spot = tuple[str, str, str]
"""Thread, namespace and id of a checkpoint."""


@dataclass(frozen=True)
class CheckpointRow:
    """One checkpoint at rest."""

    parent: str | None
    metadata: dict[str, Any]
    envelope: Any


@dataclass(frozen=True)
class WriteRow:
    """One pending write at rest."""

    path: str
    channel: str
    envelope: Any


@dataclass
class Rows:
    """Everything that a store holds."""

    checkpoints: dict[Spot, CheckpointRow] = field(default_factory=dict)
    writes: dict[tuple[str, str, str, str, int], WriteRow] = field(default_factory=dict)

    def spots(self, thread: str) -> list[Spot]:
        """Checkpoints of a thread, oldest first."""
        return sorted(spot for spot in self.checkpoints if spot[0] == thread)

    def edit(self, spot: Spot, **change: Any) -> None:
        """Change a checkpoint."""
        self.checkpoints[spot] = replace(self.checkpoints[spot], **change)

    def edit_write(self, spot: tuple[str, str, str, str, int], **change: Any) -> None:
        """Change a write."""
        self.writes[spot] = replace(self.writes[spot], **change)

    def waiting(self, thread: str) -> list[tuple[str, str, str, str, int]]:
        """Writes at the newest checkpoint of a thread."""
        return sorted(spot for spot in self.writes if spot[:3] == self.spots(thread)[-1])


@cache
def postgres_url() -> str:
    """Make tables of our own once for each process, and drop them at its end."""
    schema = f"ck_{uuid.uuid4().hex[:12]}"
    in_postgres(f"CREATE SCHEMA {schema}")
    atexit.register(in_postgres, f"DROP SCHEMA {schema} CASCADE")
    url = f"{POSTGRES}?options=-csearch_path%3D{schema}"
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
    return url


def in_postgres(statement: str) -> None:
    """Execute one statement."""
    with psycopg.connect(POSTGRES, autocommit=True) as db:
        db.execute(statement)


class Store:
    """A place for checkpoints; ``rows`` and ``put_back`` are the attacker's."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.path = str(folder / "checkpoints.sqlite")
        self.memory = InMemorySaver()
        self.url = postgres_url() if kind == "postgres" else ""
        if kind == "postgres":
            self.put_back(Rows())

    @contextmanager
    def saver(self, **kw: Any) -> Iterator[BaseCheckpointSaver[Any]]:
        """A sync checkpointer over the store."""
        match self.kind:
            case "memory":
                self.memory.serde = kw.get("serde", self.memory.serde)
                yield self.memory
            case "sqlite":
                with closing(sqlite3.connect(self.path, check_same_thread=False)) as db:
                    yield SqliteSaver(db, **kw)
            case _:
                with PostgresSaver.from_conn_string(self.url) as saver:
                    saver.serde = kw.get("serde", saver.serde)
                    yield saver

    @asynccontextmanager
    async def asaver(self) -> AsyncIterator[BaseCheckpointSaver[Any]]:
        """An async checkpointer over the store."""
        match self.kind:
            case "memory":
                yield self.memory
            case "sqlite":
                async with AsyncSqliteSaver.from_conn_string(self.path) as saver:
                    yield saver
            case _:
                async with AsyncPostgresSaver.from_conn_string(self.url) as saver:
                    yield saver

    def rows(self) -> Rows:
        """Read everything past the checkpointer."""
        return {"memory": self._memory_rows, "sqlite": self._sqlite_rows, "postgres": self._postgres_rows}[self.kind]()

    def put_back(self, rows: Rows) -> None:
        """Make the store hold exactly this."""
        {"memory": self._to_memory, "sqlite": self._to_sqlite, "postgres": self._to_postgres}[self.kind](rows)

    def attack(self, change: Callable[[Rows], None]) -> None:
        """Rewrite the store."""
        rows = self.rows()
        change(rows)
        self.put_back(rows)

    def _memory_rows(self) -> Rows:
        found = Rows()
        for thread, spaces in self.memory.storage.items():
            for space, saved in spaces.items():
                for key, (carried, metadata, parent) in saved.items():
                    version = SERDE.loads_typed(carried)["channel_versions"][SEALED]
                    envelope = self.memory.blobs[thread, space, SEALED, version][1]
                    row = CheckpointRow(parent, SERDE.loads_typed(metadata), envelope)
                    found.checkpoints[thread, space, key] = row
        for spot, saved in self.memory.writes.items():
            for (task, index), (_, channel, value, path) in saved.items():
                found.writes[(*spot, task, index)] = WriteRow(path, channel, value[1])
        return found

    def _to_memory(self, rows: Rows) -> None:
        memory = self.memory
        memory.storage.clear(), memory.blobs.clear(), memory.writes.clear()
        for (thread, space, key), row in rows.checkpoints.items():
            carried, metadata = SERDE.dumps_typed(skeleton(key)), SERDE.dumps_typed(row.metadata)
            memory.storage[thread][space][key] = (carried, metadata, row.parent)
            memory.blobs[thread, space, SEALED, key] = SERDE.dumps_typed(row.envelope)
        for (*spot, task, index), write in rows.writes.items():
            value = SERDE.dumps_typed(write.envelope)
            memory.writes[tuple(spot)][task, index] = (task, write.channel, value, write.path)

    def _sqlite_rows(self) -> Rows:
        found = Rows()
        with closing(sqlite3.connect(self.path)) as db:
            columns = "thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata"
            for *spot, parent, kind, blob, metadata in db.execute(f"SELECT {columns} FROM checkpoints"):
                envelope = SERDE.loads_typed((kind, blob))["channel_values"].get(SEALED)
                found.checkpoints[tuple(spot)] = CheckpointRow(parent, json.loads(metadata), envelope)
            columns = "thread_id, checkpoint_ns, checkpoint_id, task_id, idx, task_path, channel, value"
            for *spot, path, channel, value in db.execute(f"SELECT {columns} FROM writes"):
                found.writes[tuple(spot)] = WriteRow(path, channel, value)
        return found

    def _to_sqlite(self, rows: Rows) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("DELETE FROM checkpoints")
            db.execute("DELETE FROM writes")
            for spot, row in rows.checkpoints.items():
                carried = {**skeleton(spot[2]), "channel_values": {SEALED: row.envelope}}
                values = (*spot, row.parent, *SERDE.dumps_typed(carried), json.dumps(row.metadata).encode())
                db.execute("INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            for (*spot, task, index), write in rows.writes.items():
                values = (*spot, task, write.path, index, write.channel, *SERDE.dumps_typed(write.envelope))
                columns = "thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value"
                db.execute(f"INSERT INTO writes ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            db.commit()

    def _postgres_rows(self) -> Rows:
        found = Rows()
        with psycopg.connect(self.url) as db:
            columns = "c.thread_id, c.checkpoint_ns, c.checkpoint_id, parent_checkpoint_id, metadata, blob"
            version = f"c.checkpoint -> 'channel_versions' ->> '{SEALED}'"
            same = f"b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.version = {version}"
            for *spot, parent, metadata, blob in db.execute(
                f"SELECT {columns} FROM checkpoints c LEFT JOIN checkpoint_blobs b ON {same}"
            ):
                found.checkpoints[tuple(spot)] = CheckpointRow(parent, metadata, blob)
            columns = "thread_id, checkpoint_ns, checkpoint_id, task_id, idx, task_path, channel, blob"
            for *spot, path, channel, blob in db.execute(f"SELECT {columns} FROM checkpoint_writes"):
                found.writes[tuple(spot)] = WriteRow(path, channel, blob)
        return found

    def _to_postgres(self, rows: Rows) -> None:
        with psycopg.connect(self.url) as db:
            db.execute("TRUNCATE checkpoints, checkpoint_blobs, checkpoint_writes")
            for (thread, space, key), row in rows.checkpoints.items():
                values = (thread, space, key, row.parent, json.dumps(skeleton(key)), json.dumps(row.metadata))
                columns = "thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata"
                db.execute(f"INSERT INTO checkpoints ({columns}) VALUES (%s, %s, %s, %s, %s, %s)", values)
                values = (thread, space, SEALED, key, *SERDE.dumps_typed(row.envelope))
                db.execute("INSERT INTO checkpoint_blobs VALUES (%s, %s, %s, %s, %s, %s)", values)
            for (*spot, task, index), write in rows.writes.items():
                values = (*spot, task, write.path, index, write.channel, *SERDE.dumps_typed(write.envelope))
                columns = "thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob"
                marks = ", ".join(["%s"] * 9)
                db.execute(f"INSERT INTO checkpoint_writes ({columns}) VALUES ({marks})", values)


def skeleton(key: str) -> dict[str, Any]:
    """What lies around an envelope."""
    return {
        "v": 4,
        "id": key,
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": {},
        "channel_versions": {SEALED: key},
        "versions_seen": {},
        "updated_channels": None,
    }


class Work(TypedDict):
    """State of the graph: what was said, what is planned, and what governance left there."""

    words: Annotated[list[str], add]
    plan: dict[str, Any]
    aisecops: dict[str, Any]


@dataclass
class Job:
    """A graph that prepares a payment, asks, and pays; ``paid`` is written by the payment alone."""

    paid: list[str] = field(default_factory=list)

    def graph(self, saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph:
        def prepare(_: Work) -> dict[str, Any]:
            return {"words": ["pay alice 5"], "plan": {"to": "plan-alice"}, "aisecops": {"permit": "permit-alice"}}

        def ask(_: Work) -> dict[str, Any]:
            return {"words": [f"answer {interrupt('pay?')}"]}

        def pay(state: Work) -> dict[str, Any]:
            self.paid.append(f"{state['plan']['to']} {state['words'][-1]}")
            return {"words": ["paid"]}

        builder = StateGraph(Work).add_node(prepare).add_node(ask).add_node(pay)
        builder.add_edge(START, "prepare").add_edge("prepare", "ask").add_edge("ask", "pay")
        return builder.compile(checkpointer=saver)


def on(thread: str, **more: Any) -> dict[str, Any]:
    """Configuration of a thread."""
    return {"configurable": {"thread_id": thread, **more}}
