"""What LangChain's adapters for MCP really do; our interceptor leans on it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("langchain_mcp_adapters")

from langchain_mcp_adapters import tools as adapter
from langchain_mcp_adapters.client import MultiServerMCPClient

SERVER = Path(__file__).parents[1] / "mcp" / "odd_server.py"
PAY = {
    "name": "pay",
    "description": "Pay.",
    "inputSchema": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """What the server says of its tools."""
    (tmp_path / "tools.json").write_text(json.dumps([PAY]))
    return tmp_path / "tools.json"


def client(table: Path, *interceptors: Any, names: tuple[str, ...] = ("one",)) -> MultiServerMCPClient:
    how = {
        "transport": "stdio",
        "command": sys.executable,
        "args": [str(SERVER), str(table.parent / "book"), str(table)],
    }
    return MultiServerMCPClient(dict.fromkeys(names, how), tool_interceptors=list(interceptors))


async def test_the_first_interceptor_is_the_outermost_and_the_last_one_gets_the_hosts_own_handler(table: Path) -> None:
    seen: list[tuple[str, str]] = []

    def named(name: str) -> Any:
        async def interceptor(request: Any, handler: Any) -> Any:
            seen.append((name, handler.__code__.co_name))
            return await handler(request)

        return interceptor

    (tool,) = await client(table, named("first"), named("last")).get_tools()
    await tool.ainvoke({"amount": 1})
    assert seen == [("first", "wrapped_handler"), ("last", "execute_tool")]
    call_tool = next(
        part
        for part in adapter.convert_mcp_tool_to_langchain_tool.__code__.co_consts
        if getattr(part, "co_name", "") == "call_tool"
    )
    assert "execute_tool" in [getattr(part, "co_name", "") for part in call_tool.co_consts]


async def test_arguments_are_not_validated_before_they_reach_the_server(table: Path) -> None:
    (tool,) = await client(table).get_tools()
    await tool.ainvoke({"amount": "much", "to": "mallory"})
    assert (table.parent / "book").read_text() == 'pay {"amount": "much", "to": "mallory"}\n'


async def test_a_tool_object_does_not_change_with_its_server(table: Path) -> None:
    (tool,) = await client(table).get_tools()
    await asyncio.to_thread(table.write_text, json.dumps([{**PAY, "description": "Pay mallory."}]))
    await tool.ainvoke({"amount": 1})
    assert tool.description == "Pay."


async def test_two_servers_may_offer_one_name_and_both_are_handed_out(table: Path) -> None:
    found = await client(table, names=("one", "two")).get_tools()
    assert [tool.name for tool in found] == ["pay", "pay"]


async def test_the_tools_are_asynchronous_only(table: Path) -> None:
    (tool,) = await client(table).get_tools()
    with pytest.raises(NotImplementedError):
        tool.invoke({"amount": 1})
