"""Servers and offices of the MCP tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_mcp_adapters")

from mcp_kit import Office, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """The honest server over HTTP, for all tests: it keeps nothing but its book."""
    book = tmp_path_factory.mktemp("served") / "book"
    with serving(book) as connection:
        yield connection, book


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Office]:
    """An office without a server."""
    office = Office(tmp_path)
    yield office
    office.governor.close()


@pytest.fixture
def office(empty: Office, served: tuple[dict[str, Any], Path]) -> Office:
    """An office that reaches the server over HTTP."""
    empty.reach(*served)
    return empty


@pytest.fixture(params=["alone", "governed"])
def mode(request: pytest.FixtureRequest) -> str:
    """Whether the interceptor stands alone, or under a governed node."""
    return str(request.param)
