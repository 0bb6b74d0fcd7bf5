"""Heads, lives and writes of checkpoints: what the ledger says was stored last counts, whatever lies in a store."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime_kit import ROOT_KEY

from aisecops_langchain.errors import CheckpointError, LedgerError
from aisecops_langchain.runtime.checkpoints.envelopes import CheckpointFacts, Envelope, WriteFacts, WriteSpot
from aisecops_langchain.runtime.checkpoints.heads import Checkpoints
from aisecops_langchain.runtime.checkpoints.rules import (
    FoundCheckpoint,
    FoundWrite,
    Genuine,
    Place,
    follows,
    require_link,
)
from aisecops_langchain.runtime.ports import CheckedClock, Row, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import FixedClock, MemoryLedger, MemorySink

HERE = Place("thread", "")
SEALER = Sealer(ROOT_KEY)


class Shelf:
    """A checkpoint store that does what it is told, and the ledger's side of it."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.sink = MemorySink()
        recorder = Recorder(self.sink, CheckedClock(FixedClock()), SEALER)
        self.checkpoints = Checkpoints(self.ledger, recorder, SEALER, lambda: "policy")
        self.rows: dict[str, Envelope[CheckpointFacts]] = {}
        self.writes: dict[tuple[str, str, int], Envelope[WriteFacts]] = {}

    def put(self, name: str, parent: str = "", *, dies: bool = False, place: Place = HERE) -> Envelope[CheckpointFacts]:
        """Store a checkpoint; whoever dies in between does not tell the ledger."""
        standing = self.checkpoints.standing(place)
        before = self.rows[parent].seal if parent else ""
        made = self.checkpoints.seal(standing, name, parent=parent, parent_seal=before, encoded=("plain", b"state"))
        self.rows[name] = made
        if not dies:
            self.checkpoints.advance(made)
        return made

    def write(self, at: str, task: str = "task", index: int = 0, *, anew: bool = False, dies: bool = False) -> None:
        """Store a pending write."""
        standing = self.checkpoints.standing(HERE, at)
        made = self.checkpoints.seal_write(standing, WriteSpot(task, "", index, "words"), ("plain", b"w"), anew=anew)
        self.writes[at, task, index] = made
        if not dies:
            self.checkpoints.note_writes(standing, [made])

    def found(self, name: str) -> FoundCheckpoint | None:
        """What the store gives for an id; for none, what has the largest one."""
        key = name or max(self.rows, default="")
        if key not in self.rows:
            return None
        writes = [
            FoundWrite(task, "words", made.to_bytes()) for (at, task, _), made in self.writes.items() if at == key
        ]
        return FoundCheckpoint(key, self.rows[key].facts.parent, self.rows[key].to_bytes(), writes)

    def read(self, name: str = "") -> Genuine | None:
        """Read as adapters do."""
        for _ in range(2):
            standing = self.checkpoints.standing(HERE, name, newest=not name)
            genuine = self.checkpoints.judge(standing, self.found(name), name)
            if genuine is None or not follows(standing.head, genuine.envelope.facts):
                return genuine
            self.checkpoints.advance(genuine.envelope)
        raise AssertionError("the head did not settle")

    def refused(self, name: str = "") -> str:
        with pytest.raises(CheckpointError) as error:
            self.read(name)
        return error.value.code


def newest(genuine: Genuine | None) -> str:
    assert genuine is not None
    return genuine.envelope.facts.checkpoint


def test_the_latest_is_what_was_stored_last():
    shelf = Shelf()
    assert shelf.read() is None
    shelf.put("1")
    shelf.put("2", "1")
    assert newest(shelf.read()) == "2"
    assert newest(shelf.read("1")) == "1"
    assert shelf.read("7") is None


def test_a_death_between_store_and_ledger_loses_nothing():
    shelf = Shelf()
    shelf.put("1", dies=True)
    assert newest(shelf.read()) == "1"
    shelf.put("2", "1", dies=True)
    assert newest(shelf.read()) == "2"
    del shelf.rows["2"]  # from now on it counts
    assert shelf.refused() == "missing"


def test_a_checkpoint_with_a_smaller_id_does_not_become_the_head():
    """Hosts whose clocks differ: savers call the largest id the latest, and so does the ledger."""
    shelf = Shelf()
    shelf.put("5")
    shelf.put("3")
    assert newest(shelf.read()) == "5"
    assert newest(shelf.read("3")) == "3"


def test_a_checkpoint_stored_again_under_its_id_replaces_the_first():
    shelf = Shelf()
    first = shelf.put("1")
    shelf.put("1")
    assert newest(shelf.read()) == "1"
    shelf.rows["1"] = first
    assert shelf.refused() == "rolled_back"
    assert shelf.refused("1") == "rolled_back"
    shelf.put("1", dies=True)
    assert newest(shelf.read("1")) == "1"


def test_a_later_checkpoint_names_the_version_that_it_follows():
    shelf = Shelf()
    first = shelf.put("1")
    child = shelf.put("2", "1")
    again = shelf.put("1")
    require_link(child.facts, first)
    with pytest.raises(CheckpointError, match="not the one that a later one was stored after"):
        require_link(child.facts, again)
    with pytest.raises(CheckpointError, match="is gone"):
        require_link(child.facts, None)


def test_writes_are_all_there_and_none_is_older_than_the_last():
    shelf = Shelf()
    shelf.put("1")
    shelf.write("1")
    shelf.write("1", index=-4, anew=True)
    older = dict(shelf.writes)
    shelf.write("1", index=-4, anew=True)
    genuine = shelf.read()
    assert genuine is not None
    assert [write.facts.index for write in genuine.writes] == [-4, 0]
    shelf.writes = older
    assert shelf.refused() == "write_rolled_back"
    del shelf.writes["1", "task", -4]
    assert shelf.refused() == "write_missing"
    assert shelf.refused("1") == "write_missing"


def test_a_death_between_store_and_ledger_loses_no_write():
    shelf = Shelf()
    shelf.write("1")  # the host may store writes before their checkpoint
    shelf.put("1")
    shelf.write("1", index=-4, anew=True, dies=True)
    shelf.write("1", "other", dies=True)
    genuine = shelf.read()
    assert genuine is not None
    assert len(genuine.writes) == 3


def test_a_deleted_thread_stays_deleted():
    shelf = Shelf()
    shelf.put("1")
    shelf.put("2", "1")
    shelf.write("2")
    shelf.checkpoints.end(HERE)
    assert shelf.read() is None
    assert shelf.read("1") is None
    shelf.put("3")
    assert newest(shelf.read()) == "3"
    del shelf.rows["3"]
    assert shelf.refused() == "missing"  # though something older lies about
    shelf.checkpoints.end(HERE)
    assert shelf.read() is None


def test_a_write_from_before_a_deletion_is_not_applied():
    shelf = Shelf()
    shelf.put("1")
    shelf.write("1")
    shelf.checkpoints.end(HERE)
    shelf.put("1")
    genuine = shelf.read()
    assert genuine is not None
    assert genuine.writes == ()


def test_a_run_whose_thread_is_deleted_meanwhile_is_told():
    shelf = Shelf()
    shelf.put("1")
    standing = shelf.checkpoints.standing(HERE, "1")
    made = shelf.checkpoints.seal(standing, "2", parent="", parent_seal="", encoded=("plain", b""))
    write = shelf.checkpoints.seal_write(standing, WriteSpot("t", "", 0, "c"), ("plain", b""), anew=False)
    shelf.checkpoints.end(HERE)
    for late in (lambda: shelf.checkpoints.advance(made), lambda: shelf.checkpoints.note_writes(standing, [write])):
        with pytest.raises(CheckpointError) as told:
            late()
        assert told.value.code == "deleted"
    assert shelf.read() is None


def new_process(shelf: Shelf) -> Shelf:
    """The same store and ledger, and a process that has seen nothing."""
    other = Shelf()
    other.rows, other.writes = dict(shelf.rows), dict(shelf.writes)
    other.ledger._rows = dict(shelf.ledger._rows)
    return other


def test_an_older_copy_of_the_ledger_is_noticed_where_a_thread_was_deleted_since():
    shelf = Shelf()
    shelf.put("1")
    kept = dict(shelf.ledger._rows)
    shelf.checkpoints.end(HERE)
    shelf.put("2")
    shelf.ledger._rows = kept
    assert shelf.refused() == "ledger_behind"
    assert new_process(shelf).refused() == "ledger_behind"


def test_a_head_that_was_taken_out_of_the_ledger_is_missed_by_whoever_saw_it():
    shelf = Shelf()
    shelf.put("1")
    older = dict(shelf.rows)
    shelf.put("2", "1")
    shelf.ledger._rows.clear()
    shelf.rows = older
    assert shelf.refused() == "ledger_behind"
    assert newest(new_process(shelf).read()) == "1"  # the limit of it: store and ledger both put back, before a start


def test_what_was_pruned_is_as_if_it_were_not_there():
    shelf = Shelf()
    shelf.put("1")
    shelf.put("2", "1")
    shelf.checkpoints.cut(HERE, "2")
    assert shelf.read("1") is None
    assert newest(shelf.read()) == "2"
    found = shelf.found("2")
    assert found is not None
    orphan = shelf.checkpoints.judge(shelf.checkpoints.standing(HERE, "2"), replace(found, parent=None), "2")
    assert orphan is not None
    assert orphan.parent == ""
    shelf.put("3", "2")
    assert shelf.read("1") is None
    shelf.checkpoints.clear(HERE)
    assert shelf.read() is None
    shelf.put("4")
    assert newest(shelf.read()) == "4"


def test_an_edited_row_of_the_ledger_is_an_error_not_an_answer():
    shelf = Shelf()
    shelf.put("1")
    (row,) = shelf.ledger.scan(Table.CHECKPOINTS)
    forged = Row(row.table, row.key, row.state, row.body.replace(b'"sequence":1', b'"sequence":0'), row.seal)
    shelf.ledger._rows[row.table, row.key] = forged
    with pytest.raises(LedgerError, match="seal"):
        shelf.read()


def test_a_row_of_another_place_in_the_ledger_is_an_error():
    shelf = Shelf()
    shelf.put("1")
    shelf.put("9", place=Place("other", ""))
    one, other = shelf.ledger.scan(Table.CHECKPOINTS)
    shelf.ledger._rows[one.table, one.key] = replace(other, key=one.key)
    shelf.ledger._rows[one.table, other.key] = replace(one, key=other.key)
    with pytest.raises(LedgerError):
        shelf.read()


def test_a_refusal_is_on_record_once():
    shelf = Shelf()
    error = CheckpointError("missing", "the newest checkpoint is gone", expected="2", got="1")
    for _ in range(3):
        shelf.checkpoints.refuse(Place("thread", "sub"), "2", error)
    ((thread, space, code, which),) = [(e.thread, e.checkpoint_ns, e.code, e.checkpoint) for e in shelf.sink.events]
    assert (thread, space, code, which) == ("thread", "sub", "missing", "2")


def test_tasks_that_store_their_writes_at_once_lose_none():
    shelf, start = Shelf(), Barrier(8)
    shelf.put("1")

    def work(number: int) -> None:
        start.wait()
        for index in range(10):
            shelf.write("1", f"task-{number}", index)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    noted = shelf.checkpoints.standing(HERE, "1").writes
    assert {(task, index) for task, indexes in noted.items() for index in indexes} == {
        (f"task-{number}", index) for number in range(8) for index in range(10)
    }


def test_a_head_that_somebody_else_moves_each_time_is_an_error():
    shelf = Shelf()
    made = shelf.put("1", dies=True)
    shelf.ledger.apply = lambda changes, **how: False  # type: ignore[method-assign]
    with pytest.raises(LedgerError, match="keeps changing"):
        shelf.checkpoints.advance(made)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(1, 30), st.booleans()),
        st.tuples(st.just("restore"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("remove"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("read"), st.just(0), st.booleans()),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=200, deadline=None)
def test_law_nothing_older_than_what_was_ever_seen_is_taken_for_the_latest(steps):
    """Puts in any order of ids, deaths in between, and an attacker who puts back and removes whatever he saw."""
    shelf, seen, floor = Shelf(), [], ("", 0)
    for what, number, flag in steps:
        match what:
            case "put":
                made = shelf.put(f"{number:02}", dies=flag)
                floor = floor if flag else max(floor, (made.facts.checkpoint, made.facts.sequence))
                seen.append(dict(shelf.rows))
            case "restore" if seen:
                shelf.rows = dict(seen[number % len(seen)])
            case "remove" if shelf.rows:
                del shelf.rows[sorted(shelf.rows)[number % len(shelf.rows)]]
            case _:
                pass
        try:
            got = shelf.read()
        except CheckpointError:
            continue
        facts = got.envelope.facts if got else None
        version = (facts.checkpoint, facts.sequence) if facts else ("", 0)
        assert version >= floor
        floor = version
