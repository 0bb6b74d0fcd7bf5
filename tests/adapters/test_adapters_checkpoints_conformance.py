"""LangGraph's own conformance suite for checkpointers, run on sealed ones over every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import open_governor
from checkpoint_kit import KINDS, Store
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate

from aisecops_langchain import SealedCheckpointer

ALWAYS = {"put", "put_writes", "get_tuple", "list", "delete_thread", "copy_thread"}
"""What a sealed checkpointer can do over any other; pruning only where the one beneath can."""


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param, tmp_path)


async def test_a_sealed_checkpointer_conforms(store: Store, tmp_path: Path) -> None:
    can = ALWAYS | ({"prune"} if store.kind == "postgres" else set())
    with open_governor(tmp_path / "home") as governor:

        @checkpointer_test(name=f"sealed {store.kind}", skip_capabilities={"prune"} - can)
        async def sealed() -> AsyncIterator[BaseCheckpointSaver[Any]]:
            async with store.asaver() as saver:
                yield SealedCheckpointer(saver, governor)

        report = await validate(sealed)
    assert {name for name, result in report.results.items() if result.detected} == can
    assert [failure for result in report.results.values() for failure in result.failures] == []
    assert report.passed_all()
    assert report.passed_all_base()
