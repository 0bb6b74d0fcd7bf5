"""What checkpoints keep, and what they do not protect: types, rows at rest, the store."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypedDict

import pytest
from cryptography.fernet import Fernet
from host_kit import THREAD, Bank, ChatState, Host, proposal
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.base import BaseStore, Op, Result
from langgraph.store.memory import InMemoryStore


class Kind(Enum):
    """A plain enumeration."""

    RED = "red"


@dataclass
class Point:
    """A plain dataclass."""

    x: int


class Loose(TypedDict):
    """State whose types say nothing, so that strict mode knows no class to allow."""

    value: Any


def keeps(value: Any) -> StateGraph:
    return StateGraph(Loose).add_node("n", lambda _: {"value": value}).add_edge(START, "n")


@pytest.mark.parametrize(
    ("value", "kept"),
    [(Point(1), {"x": 1}), (Kind.RED, "red"), ((1, (2,)), [1, [2]])],
    ids=["dataclass", "enum", "tuple"],
)
async def test_strict_mode_flattens_python_types_in_untyped_state(host: Host, value: Any, kept: Any) -> None:
    graph = host.compile(keeps(value))
    await host.run(graph, {"value": None})
    saved = (await host.state(graph)).values["value"]
    assert saved == kept
    assert type(saved) is type(kept)


async def test_strict_mode_keeps_plain_json(host: Host) -> None:
    value = {"s": "é", "n": [1, -2.5, 2**53, True, None], "deep": {"list": [{"k": []}], "": {}}}
    graph = host.compile(keeps(value))
    await host.run(graph, {"value": None})
    assert (await host.state(graph)).values["value"] == value


async def test_an_integer_beyond_64_bits_in_state_ends_the_run(host: Host) -> None:
    with pytest.raises(TypeError, match="64-bit"):
        await host.run(host.compile(keeps(2**70)), {"value": None})


async def test_an_integer_beyond_64_bits_in_a_proposed_call_ends_the_run(host: Host, bank: Bank) -> None:
    graph = waiting_to_pay(bank, host.saver)
    with pytest.raises(TypeError, match="not msgpack serializable"):
        await host.run(graph, {"messages": [proposal(2**70)]})


async def test_a_lone_surrogate_silently_becomes_a_question_mark_across_a_pause(host: Host, bank: Bank) -> None:
    graph = waiting_to_pay(bank, host.saver)
    await host.run(graph, {"messages": [proposal("a\ud800")]})
    await host.run(graph, None)
    assert bank.paid == ["a?"]


ROUND_TRIP = """
from dataclasses import dataclass
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

@dataclass
class Unregistered:
    x: int

serde = JsonPlusSerializer()
print(type(serde.loads_typed(serde.dumps_typed(Unregistered(1)))).__name__)
"""


@pytest.mark.parametrize(("strict", "restored"), [(None, "Unregistered"), ("true", "dict")])
def test_the_default_serializer_restores_any_class_unless_strict(strict: str | None, restored: str) -> None:
    env = {k: v for k, v in os.environ.items() if k != "LANGGRAPH_STRICT_MSGPACK"}
    env |= {"LANGGRAPH_STRICT_MSGPACK": strict} if strict else {}
    shown = subprocess.run([sys.executable, "-c", ROUND_TRIP], env=env, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == restored


def waiting_to_pay(bank: Bank, saver: BaseCheckpointSaver[Any]) -> Any:
    """A graph that pauses before it pays."""
    builder = StateGraph(ChatState).add_node("tools", ToolNode([bank.pay])).add_edge(START, "tools")
    return builder.compile(checkpointer=saver, interrupt_before=["tools"])


def forge_rows(saver: SqliteSaver) -> None:
    """Write another payee into every saved row, as someone with access to the file can."""
    serde = JsonPlusSerializer()
    for row, kind, blob in saver.conn.execute("SELECT rowid, type, checkpoint FROM checkpoints").fetchall():
        checkpoint = serde.loads_typed((kind, blob))
        if "messages" in checkpoint["channel_values"]:
            checkpoint["channel_values"]["messages"] = [proposal("mallory")]
        saver.conn.execute("UPDATE checkpoints SET checkpoint=? WHERE rowid=?", (serde.dumps_typed(checkpoint)[1], row))
    saver.conn.commit()


@pytest.mark.parametrize("resume", ["sync", "async"])
async def test_a_checkpoint_edited_at_rest_is_accepted_on_resume(tmp_path: Path, bank: Bank, resume: str) -> None:
    path = str(tmp_path / "checkpoints.sqlite")
    with SqliteSaver.from_conn_string(path) as saver:
        waiting_to_pay(bank, saver).invoke({"messages": [proposal("alice")]}, THREAD)
        forge_rows(saver)
    if resume == "sync":
        with SqliteSaver.from_conn_string(path) as saver:
            await asyncio.to_thread(waiting_to_pay(bank, saver).invoke, None, THREAD)
    else:
        async with AsyncSqliteSaver.from_conn_string(path) as asaver:
            await waiting_to_pay(bank, asaver).ainvoke(None, THREAD)
    assert bank.paid == ["mallory"]


def test_a_checkpoint_cut_at_rest_is_accepted_and_the_action_runs_again(tmp_path: Path, bank: Bank) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as saver:
        graph = waiting_to_pay(bank, saver)
        graph.invoke({"messages": [proposal("alice")]}, THREAD)
        graph.invoke(None, THREAD)
        saver.conn.execute("DELETE FROM checkpoints WHERE checkpoint_id = (SELECT MAX(checkpoint_id) FROM checkpoints)")
        saver.conn.execute("DELETE FROM writes")
        graph.invoke(None, THREAD)
    assert bank.paid == ["alice", "alice"]


class FernetCipher:
    """Authenticated encryption of checkpoint rows."""

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "fernet", self._fernet.encrypt(plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return self._fernet.decrypt(ciphertext)


def test_an_encrypted_serializer_accepts_plaintext() -> None:
    serde = EncryptedSerializer(FernetCipher())
    assert serde.dumps_typed({"payee": "alice"})[0] == "msgpack+fernet"
    assert serde.loads_typed(JsonPlusSerializer().dumps_typed({"payee": "mallory"})) == {"payee": "mallory"}


def test_plaintext_rows_in_an_encrypted_checkpointer_are_run(tmp_path: Path, bank: Bank) -> None:
    with SqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as plain:
        waiting_to_pay(bank, plain).invoke({"messages": [proposal("mallory")]}, THREAD)
        encrypted = SqliteSaver(plain.conn, serde=EncryptedSerializer(FernetCipher()))
        waiting_to_pay(bank, encrypted).invoke(None, THREAD)
    assert bank.paid == ["mallory"]


class Watched(BaseStore):
    """A store that implements the two abstract methods alone."""

    def __init__(self) -> None:
        self.inner = InMemoryStore()
        self.ops: list[str] = []

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return self.inner.batch(self._noted(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        return await self.inner.abatch(self._noted(ops))

    def _noted(self, ops: Iterable[Op]) -> list[Op]:
        seen = list(ops)
        self.ops += [type(op).__name__ for op in seen]
        return seen


def test_a_stores_abstract_methods_are_batch_and_abatch() -> None:
    assert BaseStore.__abstractmethods__ == {"batch", "abatch"}


def test_wrapping_batch_catches_every_operation_of_a_store() -> None:
    store = Watched()
    store.put(("n",), "k", {"v": 1})
    assert store.get(("n",), "k").value == {"v": 1}
    store.search(("n",))
    store.list_namespaces()
    store.delete(("n",), "k")
    assert store.ops == ["PutOp", "GetOp", "SearchOp", "ListNamespacesOp", "PutOp"]


async def test_wrapping_abatch_catches_every_async_operation_of_a_store() -> None:
    store = Watched()
    await store.aput(("n",), "k", {"v": 1})
    assert (await store.aget(("n",), "k")).value == {"v": 1}
    await store.asearch(("n",))
    await store.alist_namespaces()
    await store.adelete(("n",), "k")
    assert store.ops == ["PutOp", "GetOp", "SearchOp", "ListNamespacesOp", "PutOp"]
