"""What a checkpointer can do, and how savers number and replace writes: the sealed checkpointer leans on it."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.checkpoint.base import WRITES_IDX_MAP, BaseCheckpointSaver, CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from aisecops_langchain import SealedCheckpointer

VERBS = ("get_tuple", "list", "put", "put_writes", "delete_thread", "copy_thread", "prune", "get_delta_channel_history")
SEALED = {"config_specs", "get_next_version", *VERBS, *(f"a{verb}" for verb in VERBS)}
"""What reaches a store: the sealed checkpointer has an answer of its own for each."""
BASE = {"get", "aget", "with_allowlist", "serde"}
"""What the host builds from those, or what reaches no store."""
REFUSED = {"delete_for_runs", "adelete_for_runs"}
"""What the host leaves unimplemented, and so does the sealed checkpointer."""


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_a_new_method_of_checkpointers_is_noticed() -> None:
    """A method that a later LangGraph adds would reach the store past the seals, or not work at all."""
    assert public(BaseCheckpointSaver) == SEALED | BASE | REFUSED


def test_the_sealed_checkpointer_answers_each_by_itself() -> None:
    assert public(SealedCheckpointer) == SEALED


def test_a_checkpoint_tuple_has_no_part_that_is_not_sealed() -> None:
    assert CheckpointTuple._fields == ("config", "checkpoint", "metadata", "parent_config", "pending_writes")


@pytest.mark.parametrize("method", sorted(REFUSED))
async def test_deleting_by_run_is_implemented_by_no_saver_here(method: str) -> None:
    with SqliteSaver.from_conn_string(":memory:") as sqlite:
        for saver in (InMemorySaver(), sqlite):
            assert getattr(type(saver), method) is getattr(BaseCheckpointSaver, method)


def test_special_writes_have_places_of_their_own() -> None:
    assert WRITES_IDX_MAP == {"__error__": -1, "__scheduled__": -2, "__interrupt__": -3, "__resume__": -4}


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_savers_keep_the_first_of_plain_writes_and_the_last_of_special_ones(kind: str) -> None:
    def values(saver: BaseCheckpointSaver[Any]) -> list[Any]:
        here: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        stored = saver.put(here, empty_checkpoint(), {}, {})
        for value in ("first", "last"):
            saver.put_writes(stored, [("words", value)], "task")
            saver.put_writes(stored, [("__resume__", value)], "task")
        found = saver.get_tuple(stored)
        assert found is not None
        return sorted(found.pending_writes or [])

    expected = [("task", "__resume__", "last"), ("task", "words", "first")]
    if kind == "memory":
        assert values(InMemorySaver()) == expected
    else:
        with SqliteSaver.from_conn_string(":memory:") as sqlite:
            assert values(sqlite) == expected
