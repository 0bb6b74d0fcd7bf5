"""Shared set-up of the host tests: every fact is checked sync and async, with a checkpointer in memory and on disk.

Invariant: nothing here imports our own package; these tests speak about the host alone.
"""

from __future__ import annotations

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # langgraph reads it once, when it is imported

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from host_kit import Bank, Host
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


@pytest.fixture(params=["sync-memory", "async-memory", "sync-sqlite", "async-sqlite"])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Host]:
    """A checkpointer and the way to drive a graph with it."""
    path = str(tmp_path / "checkpoints.sqlite")
    match request.param:
        case "sync-sqlite":
            with SqliteSaver.from_conn_string(path) as saver:
                yield Host(saver, is_async=False)
        case "async-sqlite":
            async with AsyncSqliteSaver.from_conn_string(path) as asaver:
                yield Host(asaver, is_async=True)
        case memory:
            yield Host(InMemorySaver(), is_async=memory.startswith("async"))


@pytest.fixture(params=["sync", "async"])
def bare(request: pytest.FixtureRequest) -> Host:
    """The same without a checkpointer."""
    return Host(None, is_async=request.param == "async")


@pytest.fixture
def bank() -> Bank:
    """A bank that nothing was paid from yet."""
    return Bank()
