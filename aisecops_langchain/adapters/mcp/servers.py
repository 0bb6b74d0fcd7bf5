"""MCP servers as configuration names them, and the tools that they offer right now.

Invariant: listing asks the servers and calls no tool; what a server says of itself is an attacker's word until a person
pinned it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from langchain_core.tools import BaseTool

from aisecops_langchain.errors import ConfigurationError

Connections = Mapping[str, Mapping[str, Any]]
"""How to reach each server, by its name, as ``MultiServerMCPClient`` takes it."""

_TRANSPORTS: Final = {"command": "stdio", "url": "streamable_http"}


def read_connections(path: str | os.PathLike[str]) -> Connections:
    """Read how to reach MCP servers from a JSON file, such as other hosts of MCP use.

    Args:
        path: The file: an object of servers by name, or such an object under ``mcpServers``.

    Returns:
        The connections; where one names no transport, ``command`` means stdio and ``url`` streamable HTTP.

    Raises:
        ConfigurationError: If it is no such file.
    """
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            "the MCP configuration cannot be read", expected="a JSON file", got=type(error).__name__
        ) from None
    servers = found.get("mcpServers", found) if isinstance(found, dict) else None
    if not isinstance(servers, dict) or not servers or not all(isinstance(item, dict) for item in servers.values()):
        raise ConfigurationError("not an MCP configuration", expected="servers by name", got=type(found).__name__)
    return {name: _connection(name, item) for name, item in servers.items()}


def _connection(name: str, item: dict[str, Any]) -> dict[str, Any]:
    if "transport" in item:
        return item
    transport = next((transport for key, transport in _TRANSPORTS.items() if key in item), None)
    if transport is None:
        raise ConfigurationError(
            "an MCP server cannot be reached", expected="transport, command or url", got=f"neither for {name!r}"[:80]
        )
    return {"transport": transport, **item}


async def list_tools(server: str, connection: Mapping[str, Any], *, prefix: bool = False) -> list[BaseTool]:
    """Ask one server for its tools.

    Args:
        server: Its name.
        connection: How to reach it.
        prefix: Whether tools are named after their server, too.

    Returns:
        The tools as LangChain's adapter for MCP makes them.

    Raises:
        ConfigurationError: If the extra ``mcp`` is not installed.
    """
    try:
        from langchain_mcp_adapters.tools import load_mcp_tools  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "MCP servers cannot be asked",
            expected="the package langchain-mcp-adapters",
            got="not installed",
            remedy="pip install 'aisecops-langchain[mcp]'",
        ) from error
    reached: Any = dict(connection)
    return await load_mcp_tools(None, connection=reached, server_name=server, tool_name_prefix=prefix)


def all_tools(connections: Connections, *, prefix: bool = False) -> list[BaseTool]:
    """Ask all servers for their tools, from a thread without an event loop; arguments and errors as ``list_tools``."""

    async def ask() -> list[BaseTool]:
        asked = (list_tools(name, how, prefix=prefix) for name, how in connections.items())
        return [tool for tools in await asyncio.gather(*asked) for tool in tools]

    return asyncio.run(ask())
