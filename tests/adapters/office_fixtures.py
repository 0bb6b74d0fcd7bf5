"""Shared set-up of the adapter tests: sync and async, checkpoints in memory and on disk, one governor for each test.

Invariant: whatever a test does, its log verifies when it is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import Driver, Office, open_governor
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from aisecops_langchain import Governor, verify_log


@pytest.fixture(params=["sync-memory", "async-sqlite"])  # both savers, both ways; their product adds only time
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Driver]:
    """A checkpointer and the way to drive a graph with it."""
    path = str(tmp_path / "checkpoints.sqlite")
    match request.param:
        case "async-sqlite":
            async with AsyncSqliteSaver.from_conn_string(path) as saver:
                yield Driver(saver, is_async=True)
        case _:
            yield Driver(InMemorySaver(), is_async=False)


@pytest.fixture(params=["sync", "async"])
def light(request: pytest.FixtureRequest) -> Driver:
    """Sync and async with a checkpointer in memory, where it does not matter which one."""
    return Driver(InMemorySaver(), is_async=request.param == "async")


@pytest.fixture(params=["sync", "async"])
def bare(request: pytest.FixtureRequest) -> Driver:
    """Sync and async without a checkpointer."""
    return Driver(None, is_async=request.param == "async")


@pytest.fixture
def office(driver: Driver, tmp_path: Path) -> Iterator[Office]:
    """An office with each checkpointer."""
    yield from _office(driver, tmp_path)


@pytest.fixture
def quick(light: Driver, tmp_path: Path) -> Iterator[Office]:
    """An office with a checkpointer in memory."""
    yield from _office(light, tmp_path)


@pytest.fixture
def unsaved(bare: Driver, tmp_path: Path) -> Iterator[Office]:
    """An office without a checkpointer."""
    yield from _office(bare, tmp_path)


def _office(driver: Driver, tmp_path: Path) -> Iterator[Office]:
    governor = open_governor(tmp_path / "home")
    yield Office(driver, tmp_path / "home", governor)
    governor.close()
    report = verify_log(tmp_path / "home" / "audit")
    assert report.ok, report


@pytest.fixture
def governor(tmp_path: Path) -> Iterator[Governor]:
    with open_governor(tmp_path / "home") as opened:
        yield opened


@pytest.fixture(params=["governed", "alone"])
def kw(request: pytest.FixtureRequest, governor: Governor) -> dict[str, Any]:
    """With a governor that records, and without one."""
    return {"governor": governor} if request.param == "governed" else {}
