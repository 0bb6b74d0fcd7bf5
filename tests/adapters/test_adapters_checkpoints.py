"""Honest use of sealed checkpoints: interrupts, other processes, time travel, forks, copies, pruning, races."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from adapter_kit import APPROVE, Office, open_governor, read_events, says
from approval_kit import PAY_ALICE
from checkpoint_kit import KINDS, POSTGRES, Job, Rows, Store, Work, in_postgres, on
from cryptography.fernet import Fernet
from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt

from aisecops_langchain import Governor, PostgresLedger, SealedCheckpointer, govern
from aisecops_langchain.errors import CheckpointError, ConfigurationError, LedgerError
from aisecops_langchain.testing import ScriptedChatModel


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path)


@pytest.fixture
def on_disk(tmp_path: Path) -> Store:
    return Store("sqlite", tmp_path)


def refusals(governor: Governor) -> list[str]:
    return [event.code for event in read_events(governor) if event.kind == "checkpoint_refused"]


async def test_another_process_goes_on_where_one_stopped(store: Store, tmp_path: Path) -> None:
    """The governor and the checkpointer are opened anew, sync first and async then."""
    job = Job()
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        graph = job.graph(SealedCheckpointer(saver, governor))
        assert graph.invoke({"words": ["hello"]}, on("t"))["__interrupt__"][0].value == "pay?"
    with open_governor(tmp_path / "home") as governor:
        async with store.asaver() as saver:
            result = await job.graph(SealedCheckpointer(saver, governor)).ainvoke(Command(resume="yes"), on("t"))
        assert refusals(governor) == []
    assert result["words"] == ["hello", "pay alice 5", "answer yes", "paid"]
    assert job.paid == ["plan-alice answer yes"]


async def test_a_governed_agent_waits_for_approval_in_sealed_state(office: Office) -> None:
    agent = office.agent([PAY_ALICE], "done", seal_checkpoints=True)
    await office.run(agent, says("pay alice 5"))
    assert office.ran == []
    again = office.agent("done", seal_checkpoints=True)
    result = await office.run(again, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]
    assert result["messages"][-1].content == "done"
    assert office.of("checkpoint_refused") == []


async def test_time_travel_in_a_governed_agent_is_honest_and_runs_nothing_twice(office: Office) -> None:
    agent = office.agent([PAY_ALICE], "done", "done", "done", seal_checkpoints=True)
    await office.run(agent, says("pay alice 5"))
    waiting = (await office.driver.state(agent)).config
    await office.run(agent, Command(resume=APPROVE))
    await office.run(agent, Command(resume=APPROVE), waiting)
    assert office.ran == ["pay alice 5"]
    assert office.of("checkpoint_refused") == []


async def test_an_earlier_checkpoint_opens_and_a_fork_becomes_the_latest(store: Store, tmp_path: Path) -> None:
    job = Job()
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        graph = job.graph(SealedCheckpointer(saver, governor))
        graph.invoke({"words": ["hello"]}, on("t"))
        first = graph.get_state(on("t")).config
        graph.invoke(Command(resume="yes"), on("t"))
        fork = graph.update_state(first, {"plan": {"to": "bob"}})
        assert graph.get_state(first).values["plan"] == {"to": "plan-alice"}
        assert graph.get_state(on("t")).config == fork
        graph.invoke(None, fork)
        graph.invoke(Command(resume="no"), on("t"))
        assert job.paid == ["plan-alice answer yes", "bob answer no"]
        history = list(graph.get_state_history(on("t")))
        assert len(history) == len(store.rows().checkpoints)
        assert refusals(governor) == []


async def test_any_plain_graph_takes_it_with_every_durability(store: Store, tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        for durability in ("sync", "async", "exit"):
            job = Job()
            graph = job.graph(SealedCheckpointer(saver, governor))
            graph.invoke({"words": ["hello"]}, on(durability), durability=durability)
            graph.invoke(Command(resume="yes"), on(durability), durability=durability)
            assert job.paid == ["plan-alice answer yes"]
            assert graph.get_state(on(durability)).values["words"][-1] == "paid"
        assert refusals(governor) == []


class Wide(TypedDict):
    parts: Annotated[list[int], lambda one, other: sorted(one + other)]


async def test_many_tasks_of_one_step_store_their_writes_at_once(store: Store, tmp_path: Path) -> None:
    def work(state: dict[str, Any]) -> dict[str, Any]:
        return {"parts": [state["n"]]}

    builder = StateGraph(Wide).add_node("work", work).add_node("end", lambda _: {})
    builder.add_conditional_edges(START, lambda _: [Send("work", {"n": n}) for n in range(40)], ["work"])
    builder.add_edge("work", "end")
    with open_governor(tmp_path / "home") as governor:
        async with store.asaver() as saver:
            graph = builder.compile(checkpointer=SealedCheckpointer(saver, governor))
            result = await graph.ainvoke({"parts": []}, on("t"))
            assert [one async for one in graph.aget_state_history(on("t"))]
        assert result["parts"] == list(range(40))
        assert refusals(governor) == []


def nested(saver: BaseCheckpointSaver[Any]) -> Any:
    inner = StateGraph(Work).add_node("ask", lambda _: {"words": [interrupt("sure?")]}).add_edge(START, "ask").compile()
    outer = StateGraph(Work).add_node("inner", inner).add_edge(START, "inner")
    return outer.compile(checkpointer=saver)


def test_subgraphs_have_chains_of_their_own(store: Store, tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        graph = nested(SealedCheckpointer(saver, governor))
        graph.invoke({"words": ["hello"]}, on("t"))
        graph.invoke({"words": ["hello"]}, on("u"))
        assert graph.invoke(Command(resume="yes"), on("t"))["words"][-1] == "yes"

        def without_inner_state(rows: Rows) -> None:
            for spot in [spot for spot in rows.checkpoints if spot[0] == "u" and spot[1]]:
                del rows.checkpoints[spot]

        store.attack(without_inner_state)
        with pytest.raises(CheckpointError, match="newest checkpoint is gone"):
            graph.invoke(Command(resume="yes"), on("u"))


class FernetCipher:
    """Authenticated encryption."""

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "fernet", self._fernet.encrypt(plaintext)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "fernet"
        return self._fernet.decrypt(ciphertext)


def test_an_encrypting_serializer_encrypts_what_is_sealed(store: Store, tmp_path: Path) -> None:
    job = Job()
    with open_governor(tmp_path / "home") as governor, store.saver(serde=EncryptedSerializer(FernetCipher())) as saver:
        graph = job.graph(SealedCheckpointer(saver, governor))
        graph.invoke({"words": ["hello"]}, on("t"))
        rows = store.rows()
        held = [row.envelope for row in (*rows.checkpoints.values(), *rows.writes.values())]
        assert held
        assert not any(b"plan-alice" in bytes(envelope) or b"pay?" in bytes(envelope) for envelope in held)
        graph.invoke(Command(resume="yes"), on("t"))
        assert job.paid == ["plan-alice answer yes"]


class Slow(TypedDict):
    """A conversation that is stored as changes."""

    said: Annotated[list[AnyMessage], DeltaChannel(lambda now, new: [*now, *(m for batch in new for m in batch)])]


def test_channels_stored_as_changes_are_rebuilt_from_genuine_ancestors_only(store: Store, tmp_path: Path) -> None:
    builder = StateGraph(Slow).add_node("echo", lambda state: {"said": [HumanMessage(f"{len(state['said'])}")]})
    builder.add_edge(START, "echo")
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        graph = builder.compile(checkpointer=SealedCheckpointer(saver, governor))
        for n in range(3):
            graph.invoke({"said": [HumanMessage(f"turn {n}")]}, on("t"))
        said = [message.content for message in graph.get_state(on("t")).values["said"]]
        assert said == ["turn 0", "1", "turn 1", "3", "turn 2", "5"]
        honest = store.rows()

        def forget(rows: Rows) -> None:
            carried = min(spot for spot in rows.writes if rows.writes[spot].channel == "said")
            del rows.writes[carried]

        store.attack(forget)
        with pytest.raises(CheckpointError, match="write"):
            graph.get_state(on("t"))
        store.put_back(honest)
        store.attack(lambda rows: rows.checkpoints.pop(rows.spots("t")[1]))
        with pytest.raises(CheckpointError, match="builds on is gone"):
            graph.get_state(on("t"))


def test_a_copy_through_the_checkpointer_opens_and_one_past_it_does_not(store: Store, tmp_path: Path) -> None:
    job = Job()
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        sealed = SealedCheckpointer(saver, governor)
        graph = job.graph(sealed)
        graph.invoke({"words": ["hello"]}, on("t"))
        sealed.copy_thread("t", "copy")
        assert graph.invoke(Command(resume="yes"), on("copy"))["words"][-1] == "paid"
        assert graph.get_state(on("t")).next == ("ask",)

        def copy(rows: Rows) -> None:
            for spot in rows.spots("t"):
                rows.checkpoints["past", *spot[1:]] = rows.checkpoints[spot]

        store.attack(copy)
        with pytest.raises(CheckpointError) as refused:
            graph.invoke(Command(resume="yes"), on("past"))
        assert refused.value.code == "moved"
        assert len(job.paid) == 1


def test_a_copied_thread_of_a_governed_agent_carries_no_authority(tmp_path: Path) -> None:
    """The plan, the question and the state are there; the permit is for the thread that it was issued for."""
    ran: list[str] = []

    def pay(to: str, amount: float) -> str:
        """Pay someone."""
        ran.append(f"{to} {amount:g}")
        return "paid"

    with open_governor(tmp_path / "home") as governor:
        sealed = SealedCheckpointer(InMemorySaver(), governor)
        model = ScriptedChatModel(script=[[PAY_ALICE], "done", "done", "done"], repeat_last=True)
        agent = govern(model, [pay], governor=governor, checkpointer=sealed)
        agent.invoke(says("pay alice 5"), on("t"))
        agent.invoke(Command(resume=APPROVE), on("t"), interrupt_before=["execute"])
        assert agent.get_state(on("t")).next == ("execute",)
        sealed.copy_thread("t", "copy")
        agent.invoke(None, on("copy"))
        assert ran == []
        agent.invoke(None, on("t"))
        assert ran == ["alice 5"]


def test_stores_with_names_of_their_own_share_a_ledger(tmp_path: Path) -> None:
    job = Job()
    with open_governor(tmp_path / "home") as governor:
        savers = {name: InMemorySaver() for name in ("one", "two")}
        graphs = {name: job.graph(SealedCheckpointer(savers[name], governor, store=name)) for name in savers}
        for graph in graphs.values():
            graph.invoke({"words": ["hello"]}, on("t"))
        mistaken = job.graph(SealedCheckpointer(savers["one"], governor, store="two"))
        with pytest.raises(CheckpointError):
            mistaken.invoke(Command(resume="yes"), on("t"))
        assert job.paid == []
        for graph in graphs.values():
            graph.invoke(Command(resume="yes"), on("t"))
    assert len(job.paid) == 2


def test_a_checkpoint_stored_twice_under_one_id_is_the_second(store: Store, tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        sealed, checkpoint = SealedCheckpointer(saver, governor), empty_checkpoint()
        for word in ("first", "second"):
            kept = {**checkpoint, "channel_values": {"words": word}, "channel_versions": {"words": "1"}}
            sealed.put(on("t", checkpoint_ns=""), kept, {"source": "loop"}, {"words": "1"})
        assert sealed.get_tuple(on("t")).checkpoint["channel_values"] == {"words": "second"}


def test_pruning_is_passed_on_and_what_was_pruned_stays_gone(tmp_path: Path) -> None:
    if "postgres" not in KINDS:
        pytest.skip("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
    store, job = Store("postgres", tmp_path), Job()
    with open_governor(tmp_path / "home") as governor, store.saver() as saver:
        sealed = SealedCheckpointer(saver, governor)
        graph = job.graph(sealed)
        graph.invoke({"words": ["hello"]}, on("t"))
        honest = store.rows()
        sealed.prune(["t"])
        assert len(store.rows().checkpoints) == 1
        store.put_back(honest)
        assert [state.next for state in graph.get_state_history(on("t"))] == [("ask",)]
        assert sealed.get_tuple(on("t", checkpoint_id=honest.spots("t")[0][2])) is None
        graph.invoke(Command(resume="yes"), on("t"))
        assert job.paid == ["plan-alice answer yes"]
        sealed.prune(["t"], strategy="delete")
        assert sealed.get_tuple(on("t")) is None
        assert refusals(governor) == []


def test_pruning_that_the_store_cannot_do_changes_nothing(on_disk: Store, tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor, on_disk.saver() as saver:
        sealed = SealedCheckpointer(saver, governor)
        graph = Job().graph(sealed)
        graph.invoke({"words": ["hello"]}, on("t"))
        before = len(list(graph.get_state_history(on("t"))))
        with pytest.raises(NotImplementedError):
            sealed.prune(["t"])
        with pytest.raises(NotImplementedError):
            sealed.delete_for_runs(["r"])
        assert len(list(graph.get_state_history(on("t")))) == before > 1


def test_two_hosts_that_write_one_thread_raise_no_false_alarm(on_disk: Store, tmp_path: Path) -> None:
    """Each has a ledger handle and a database connection of its own; both write, read and list at once."""

    def host(number: int) -> int:
        with open_governor(tmp_path / "home") as governor, on_disk.saver() as saver:
            sealed, dice, read = SealedCheckpointer(saver, governor), random.Random(number), 0
            for step in range(25):
                latest = sealed.get_tuple(on("t"))
                config = latest.config if latest and dice.random() < 0.8 else on("t")
                stored = sealed.put(config, empty_checkpoint(), {"source": "loop", "step": step, "parents": {}}, {})
                sealed.put_writes(stored, [("words", [f"{number} {step}"])], f"task-{number}")
                if latest:
                    sealed.put_writes(latest.config, [("words", ["late"])], f"late-{number}")
                read += len(list(sealed.list(on("t", checkpoint_ns=""), limit=3)))
            return read

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(host, range(3)))
    with open_governor(tmp_path / "home") as governor, on_disk.saver() as saver:
        sealed = SealedCheckpointer(saver, governor)
        assert sealed.get_tuple(on("t")).checkpoint["id"] == max(one.checkpoint["id"] for one in sealed.list(on("t")))
        assert len(list(sealed.list(on("t")))) == 75
        assert refusals(governor) == []


async def test_one_host_asks_and_another_goes_on(tmp_path: Path) -> None:
    """Checkpoints and ledger in PostgreSQL; each host has a home of its own and the same sealing key."""
    if "postgres" not in KINDS:
        pytest.skip("AISECOPS_TEST_POSTGRES_URL names no PostgreSQL database")
    store, job, schema = Store("postgres", tmp_path), Job(), f"ckl_{uuid.uuid4().hex[:12]}"
    homes = [tmp_path / name for name in ("first", "second")]
    try:
        with (
            open_governor(homes[0], ledger=PostgresLedger(POSTGRES, schema=schema)) as governor,
            store.saver() as saver,
        ):
            job.graph(SealedCheckpointer(saver, governor)).invoke({"words": ["hello"]}, on("t"))
        (homes[1] / "keys").mkdir(parents=True)
        shutil.copy(homes[0] / "keys" / "seal.key", homes[1] / "keys" / "seal.key")
        honest = store.rows()
        with open_governor(homes[1], ledger=PostgresLedger(POSTGRES, schema=schema)) as governor:
            async with store.asaver() as asaver:
                graph = job.graph(SealedCheckpointer(asaver, governor))
                await graph.ainvoke(Command(resume="yes"), on("t"))
                assert job.paid == ["plan-alice answer yes"]
                store.put_back(honest)
                with pytest.raises(CheckpointError, match="newest checkpoint is gone"):
                    await graph.ainvoke(Command(resume="yes"), on("t"))
        assert len(job.paid) == 1
    finally:
        in_postgres(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def test_nothing_of_the_ledger_happens_on_the_event_loop(tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor:
        loop, seen = asyncio.get_running_loop(), []
        inner = governor.checkpoints.standing

        def watched(*given: Any, **kw: Any) -> Any:
            try:
                seen.append(asyncio.get_running_loop() is loop)
            except RuntimeError:
                seen.append(False)
            return inner(*given, **kw)

        governor.checkpoints.standing = watched  # type: ignore[method-assign]
        graph = Job().graph(SealedCheckpointer(InMemorySaver(), governor))
        await graph.ainvoke({"words": ["hello"]}, on("t"))
        await graph.ainvoke(Command(resume="yes"), on("t"))
    assert seen
    assert not any(seen)


def test_a_ledger_that_cannot_be_used_stops_reading_and_writing(on_disk: Store, tmp_path: Path) -> None:
    governor, job = open_governor(tmp_path / "home"), Job()
    with on_disk.saver() as saver:
        graph = job.graph(SealedCheckpointer(saver, governor))
        graph.invoke({"words": ["hello"]}, on("t"))
        governor.close()
        with pytest.raises(LedgerError):
            graph.invoke(Command(resume="yes"), on("t"))
        with pytest.raises(LedgerError):
            graph.invoke({"words": ["hello"]}, on("u"))
    assert job.paid == []


def test_state_from_before_sealing_is_refused(on_disk: Store, tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor, on_disk.saver() as saver:
        Job().graph(saver).invoke({"words": ["hello"]}, on("t"))
        with pytest.raises(CheckpointError) as refused:
            Job().graph(SealedCheckpointer(saver, governor)).get_state(on("t"))
        assert refused.value.code == "unreadable"  # its types would have to be looked up to read it
        assert refusals(governor) == ["unreadable"]


def test_what_cannot_be_sealed_is_refused_at_once(tmp_path: Path) -> None:
    with open_governor(tmp_path / "home") as governor:
        sealed = SealedCheckpointer(InMemorySaver(), governor)
        with pytest.raises(ConfigurationError, match="sealed twice"):
            SealedCheckpointer(sealed, governor)
        with pytest.raises(ConfigurationError, match="cannot be sealed"):
            SealedCheckpointer("checkpoints.sqlite", governor)  # type: ignore[arg-type]
        model = ScriptedChatModel(script=["done"])
        with pytest.raises(ConfigurationError, match="no checkpoints to seal"):
            govern(model, [], governor=governor, seal_checkpoints=True)
        once = govern(model, [], governor=governor, checkpointer=sealed, seal_checkpoints=True)
        assert isinstance(once.checkpointer, SealedCheckpointer)


def test_a_refused_graph_runs_no_node(on_disk: Store, tmp_path: Path) -> None:
    ran: list[str] = []

    def node(_: MessagesState) -> dict[str, Any]:
        ran.append("node")
        return {"messages": []}

    with open_governor(tmp_path / "home") as governor, on_disk.saver() as saver:
        graph = StateGraph(MessagesState).add_node(node).add_edge(START, "node")
        compiled = graph.compile(checkpointer=SealedCheckpointer(saver, governor))
        compiled.invoke({"messages": [HumanMessage("one")]}, on("t"))
        with sqlite3.connect(on_disk.path) as attacker:
            attacker.execute(
                "DELETE FROM checkpoints WHERE checkpoint_id = (SELECT max(checkpoint_id) FROM checkpoints)"
            )
        with pytest.raises(CheckpointError):
            compiled.invoke({"messages": [HumanMessage("two")]}, on("t"))
    assert ran == ["node"]
