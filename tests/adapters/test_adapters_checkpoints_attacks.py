"""Attacks on checkpoints at rest: whatever is edited, moved, forged, put back or taken away is refused and recorded."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import open_governor, read_events
from checkpoint_kit import KINDS, CheckpointRow, Job, Rows, Store, WriteRow, on
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command

from aisecops_langchain import Governor, SealedCheckpointer
from aisecops_langchain.errors import CheckpointError
from aisecops_langchain.runtime.checkpoints.envelopes import CheckpointFacts, WriteFacts, close_envelope, open_envelope
from aisecops_langchain.sealing import Sealer

RESUME, NULL_TASK = "__resume__", "00000000-0000-0000-0000-000000000000"
YES = JsonPlusSerializer().dumps_typed("yes")[1]
LIAR = Sealer(b"x" * 32)
"""A key, but not the governor's."""


@dataclass
class Scene:
    """Thread ``mine`` waits for a yes, thread ``other`` got one and is done."""

    store: Store
    governor: Governor
    job: Job
    before: Rows
    """The store before the threads began to wait."""

    def resume(self, saver: BaseCheckpointSaver[Any]) -> Any:
        return self.job.graph(SealedCheckpointer(saver, self.governor)).invoke(Command(resume="yes"), on("mine"))

    async def go_on(self, world: str) -> Any:
        if world == "async":
            async with self.store.asaver() as saver:
                graph = self.job.graph(SealedCheckpointer(saver, self.governor))
                return await graph.ainvoke(Command(resume="yes"), on("mine"))
        with self.store.saver() as saver:
            return await asyncio.to_thread(self.resume, saver)


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    store, governor, job = Store(request.param, tmp_path), open_governor(tmp_path / "home"), Job()
    with store.saver() as saver:
        graph = job.graph(SealedCheckpointer(saver, governor))
        graph.invoke({"words": ["hello"]}, on("mine"), interrupt_before=["prepare"])
        before = store.rows()
        for thread in ("mine", "other"):
            graph.invoke(None if thread == "mine" else {"words": ["hello"]}, on(thread))
        graph.invoke(Command(resume="yes"), on("other"))
    job.paid.clear()
    yield Scene(store, governor, job, before)
    governor.close()


@pytest.mark.parametrize("world", ["sync", "async"])
async def test_an_untouched_thread_goes_on(scene: Scene, world: str) -> None:
    scene.store.attack(lambda rows: None)  # reading and writing it all back changes nothing
    await scene.go_on(world)
    assert scene.job.paid == ["plan-alice answer yes"]
    assert [event for event in read_events(scene.governor) if event.kind == "checkpoint_refused"] == []


def replaced(old: bytes, new: bytes) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        spot = rows.spots("mine")[-1]
        assert old in rows.checkpoints[spot].envelope
        rows.edit(spot, envelope=rows.checkpoints[spot].envelope.replace(old, new))

    return change


def other_key(rows: Rows) -> None:
    spot = rows.spots("mine")[-1]
    magic, sealed = rows.checkpoints[spot].envelope[:8], rows.checkpoints[spot].envelope[8 + 32 :]
    rows.edit(spot, envelope=magic + bytes.fromhex(LIAR.seal_bytes("checkpoint", sealed)) + sealed)


def without_seal(rows: Rows) -> None:
    spot = rows.spots("mine")[-1]
    rows.edit(spot, envelope=JsonPlusSerializer().dumps_typed({"words": ["pay mallory"]})[1])


def without_anything(rows: Rows) -> None:
    rows.edit(rows.spots("mine")[-1], envelope=None)


def forged_newer(rows: Rows) -> None:
    thread, space, key = rows.spots("mine")[-1]
    rows.checkpoints[thread, space, f"f{key[1:]}"] = CheckpointRow(key, {"source": "loop", "step": 9}, b"mine")


def genuine_under_newer_id(rows: Rows) -> None:
    thread, space, key = rows.spots("mine")[-1]
    rows.checkpoints[thread, space, f"f{key[1:]}"] = rows.checkpoints[rows.spots("mine")[0]]


def swapped_threads(rows: Rows) -> None:
    mine, other = rows.spots("mine")[-1], rows.spots("other")[-1]
    rows.edit(mine, envelope=rows.checkpoints[other].envelope)


def copied_thread(rows: Rows) -> None:
    for spot in rows.spots("mine"):
        del rows.checkpoints[spot]
    for spot in rows.spots("other"):
        rows.checkpoints["mine", *spot[1:]] = rows.checkpoints[spot]


def older_under_newest_id(rows: Rows) -> None:
    *_, older, newest = rows.spots("mine")
    rows.edit(newest, envelope=rows.checkpoints[older].envelope)


def newest_deleted(rows: Rows) -> None:
    del rows.checkpoints[rows.spots("mine")[-1]]


def all_deleted(rows: Rows) -> None:
    for spot in rows.spots("mine"):
        del rows.checkpoints[spot]


def parent_edited(rows: Rows) -> None:
    rows.edit(rows.spots("mine")[-1], parent=rows.spots("mine")[0][2])


def parent_removed(rows: Rows) -> None:
    rows.edit(rows.spots("mine")[-1], parent=None)


def metadata_edited(rows: Rows) -> None:
    spot = rows.spots("mine")[-1]
    rows.edit(spot, metadata={**rows.checkpoints[spot].metadata, "step": -1})


def metadata_added(rows: Rows) -> None:
    spot = rows.spots("mine")[-1]
    rows.edit(spot, metadata={**rows.checkpoints[spot].metadata, "user": "mallory"})


def metadata_replaced(rows: Rows) -> None:
    rows.edit(rows.spots("mine")[-1], metadata=["step", 1])


def write_edited(rows: Rows) -> None:
    spot = rows.waiting("mine")[0]
    rows.edit_write(spot, envelope=rows.writes[spot].envelope.replace(b"pay?", b"ok!?"))


def write_unsealed(rows: Rows) -> None:
    rows.edit_write(rows.waiting("mine")[0], envelope=YES)


def write_removed(rows: Rows) -> None:
    del rows.writes[rows.waiting("mine")[0]]


def write_to_another_task(rows: Rows) -> None:
    spot = rows.waiting("mine")[0]
    rows.writes[(*spot[:3], NULL_TASK, spot[4])] = rows.writes.pop(spot)


def write_doubled(rows: Rows) -> None:
    spot = rows.waiting("mine")[0]
    rows.writes[(*spot[:4], 7)] = rows.writes[spot]


def write_to_another_channel(rows: Rows) -> None:
    rows.edit_write(rows.waiting("mine")[0], channel="words")


def answer_injected(rows: Rows) -> None:
    rows.writes[(*rows.spots("mine")[-1], NULL_TASK, -4)] = WriteRow("", RESUME, YES)


def answer_lent(rows: Rows) -> None:
    """The genuine yes of another thread."""
    answers = [spot for spot, write in rows.writes.items() if spot[0] == "other" and write.channel == RESUME]
    rows.writes[(*rows.spots("mine")[-1], *answers[0][3:])] = rows.writes[answers[0]]


def state_as_write(rows: Rows) -> None:
    rows.edit_write(rows.waiting("mine")[0], envelope=rows.checkpoints[rows.spots("mine")[-1]].envelope)


def write_as_state(rows: Rows) -> None:
    rows.edit(rows.spots("mine")[-1], envelope=rows.writes[rows.waiting("mine")[0]].envelope)


ATTACKS: dict[str, tuple[Callable[[Rows], None], str]] = {
    "message edited": (replaced(b"pay alice 5", b"pay malor 5"), "forged"),
    "plan edited": (replaced(b"plan-alice", b"plan-malor"), "forged"),
    "governance channel edited": (replaced(b"permit-alice", b"permit-malor"), "forged"),
    "sealed facts edited": (replaced(b'"thread":"mine"', b'"thread":"nine"'), "forged"),
    "sealed with another key": (other_key, "forged"),
    "seal stripped": (without_seal, "unsealed"),
    "nothing where the state was": (without_anything, "unsealed"),
    "a newer row forged": (forged_newer, "unsealed"),
    "a genuine row under a newer id": (genuine_under_newer_id, "moved"),
    "rows swapped between threads": (swapped_threads, "moved"),
    "a thread copied over another": (copied_thread, "moved"),
    "an older state under the newest id": (older_under_newest_id, "moved"),
    "newest row deleted": (newest_deleted, "missing"),
    "all rows deleted": (all_deleted, "missing"),
    "parent edited": (parent_edited, "edited"),
    "parent removed": (parent_removed, "edited"),
    "metadata edited": (metadata_edited, "edited"),
    "metadata added": (metadata_added, "edited"),
    "metadata replaced by a list": (metadata_replaced, "edited"),
    "write edited": (write_edited, "forged"),
    "write unsealed": (write_unsealed, "unsealed"),
    "write removed": (write_removed, "write_missing"),
    "write moved to another task": (write_to_another_task, "write_moved"),
    "write doubled": (write_doubled, "write_moved"),
    "write moved to another channel": (write_to_another_channel, "write_moved"),
    "answer injected": (answer_injected, "unsealed"),
    "answer of another thread": (answer_lent, "write_moved"),
    "state as a write": (state_as_write, "forged"),
    "a write as state": (write_as_state, "forged"),
}


@pytest.mark.parametrize("world", ["sync", "async"])
@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_was_tampered_with_at_rest_is_refused_and_recorded(scene: Scene, attack: str, world: str) -> None:
    change, code = ATTACKS[attack]
    scene.store.attack(change)
    with pytest.raises(CheckpointError) as refused:
        await scene.go_on(world)
    assert refused.value.code == code
    assert "; expected: " in str(refused.value)
    assert "; got: " in str(refused.value)
    assert "; do: " in str(refused.value)
    assert scene.job.paid == []
    events = [event for event in read_events(scene.governor) if event.kind == "checkpoint_refused"]
    assert [(event.thread, event.checkpoint_ns, event.code) for event in events] == [("mine", "", code)]


@pytest.mark.parametrize("scene", ["memory"], indirect=True)
@pytest.mark.parametrize("attack", ATTACKS)
async def test_history_does_not_show_what_was_tampered_with(scene: Scene, attack: str) -> None:
    scene.store.attack(ATTACKS[attack][0])
    with scene.store.saver() as saver:
        graph = scene.job.graph(SealedCheckpointer(saver, scene.governor))
        with pytest.raises(CheckpointError):
            list(graph.get_state_history(on("mine")))


@pytest.mark.parametrize("world", ["sync", "async"])
async def test_an_older_copy_of_the_whole_store_is_refused(scene: Scene, world: str) -> None:
    scene.store.put_back(scene.before)
    with pytest.raises(CheckpointError, match="newest checkpoint is gone") as refused:
        await scene.go_on(world)
    assert refused.value.code == "missing"
    assert scene.job.paid == []


async def test_the_question_cannot_be_asked_again_by_taking_the_answer_back(scene: Scene) -> None:
    """The store is put back to before the answer; the payment does not happen a second time."""
    waiting = scene.store.rows()
    await scene.go_on("sync")
    scene.store.put_back(waiting)
    with pytest.raises(CheckpointError) as refused:
        await scene.go_on("sync")
    assert refused.value.code == "missing"
    assert len(scene.job.paid) == 1


async def test_a_write_put_back_to_an_older_version_is_refused(scene: Scene) -> None:
    with scene.store.saver() as saver:
        sealed = SealedCheckpointer(saver, scene.governor)
        config = sealed.get_tuple(on("mine")).config
        sealed.put_writes(config, [(RESUME, "no")], NULL_TASK)
        refusal = scene.store.rows().writes
        sealed.put_writes(config, [(RESUME, "yes")], NULL_TASK)
        assert (NULL_TASK, RESUME, "yes") in sealed.get_tuple(config).pending_writes
        scene.store.attack(lambda rows: rows.writes.update(refusal))
        with pytest.raises(CheckpointError) as refused:
            sealed.get_tuple(config)
    assert refused.value.code == "write_rolled_back"


async def test_a_thread_that_was_deleted_does_not_come_back(scene: Scene) -> None:
    kept = scene.store.rows()
    with scene.store.saver() as saver:
        sealed = SealedCheckpointer(saver, scene.governor)
        sealed.delete_thread("mine")
        scene.store.put_back(kept)
        assert sealed.get_tuple(on("mine")) is None
        assert list(sealed.list(on("mine"))) == []
        graph = scene.job.graph(sealed)
        graph.invoke({"words": ["anew"]}, on("mine"))
        assert graph.get_state(on("mine")).values["words"] == ["anew", "pay alice 5"]
        shown = {one.checkpoint["id"] for one in sealed.list(on("mine"))}
        assert shown.isdisjoint(spot[2] for spot in kept.checkpoints)


async def test_a_refused_thread_can_be_ended_and_begun_anew(scene: Scene) -> None:
    scene.store.attack(without_seal)
    with pytest.raises(CheckpointError):
        await scene.go_on("sync")
    with scene.store.saver() as saver:
        sealed = SealedCheckpointer(saver, scene.governor)
        sealed.delete_thread("mine")
        scene.job.graph(sealed).invoke({"words": ["anew"]}, on("mine"))
    await scene.go_on("sync")
    assert scene.job.paid == ["plan-alice answer yes"]


class Boom:
    """Runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("boom"),))


@pytest.mark.parametrize("scene", ["sqlite"], indirect=True)
def test_no_decoder_of_objects_meets_bytes_without_a_seal(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A serializer that falls back on pickle would run code of the attacker's while it merely reads."""

    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(scene.store.path) as db:
        db.execute("UPDATE checkpoints SET type='pickle', checkpoint=?", (pickle.dumps(Boom()),))
    with scene.store.saver(serde=JsonPlusSerializer(pickle_fallback=True)) as saver:
        with pytest.raises(CheckpointError) as refused:
            SealedCheckpointer(saver, scene.governor).get_tuple(on("mine"))
        assert not Path("boom").exists()
        assert refused.value.code == "unreadable"
        saver.get_tuple(on("mine"))
    assert Path("boom").exists()  # so it would have been, without


@pytest.mark.parametrize("scene", ["sqlite"], indirect=True)
@pytest.mark.parametrize("value", [10**12, 1.5, "text", None, b"", b"\xc1", b"\x93"])
def test_rows_of_another_shape_are_refused_not_decoded(scene: Scene, value: Any) -> None:
    with sqlite3.connect(scene.store.path) as db:
        db.execute("UPDATE checkpoints SET checkpoint=?", (value,))
    with scene.store.saver() as saver, pytest.raises(CheckpointError) as refused:
        SealedCheckpointer(saver, scene.governor).get_tuple(on("mine"))
    assert refused.value.code == "unreadable"


def test_an_envelope_opens_only_as_what_it_is() -> None:
    facts = CheckpointFacts("s", "t", "", "c", "", "", 0, 1, "msgpack")
    envelope = close_envelope(LIAR, facts, b"state")
    assert open_envelope(LIAR, CheckpointFacts, envelope.to_bytes()) == envelope
    with pytest.raises(CheckpointError):
        open_envelope(LIAR, WriteFacts, envelope.to_bytes())
