"""What MCP servers say of their tools right now, asked before a call is decided on.

Invariant: a tool is found only under a name that no other server offers, and as its server describes it at this moment;
the tool object that the host made when it started never changes, so it is not asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from aisecops_langchain.adapters.mcp.servers import Connections, list_tools
from aisecops_langchain.adapters.tools.governed import GovernedTool
from aisecops_langchain.errors import AisecopsError, InvalidCallError, UnavailableError

_LOG = logging.getLogger(__name__)

_MOST_TOOLS: Final = 1000


class Catalogue:
    """The tools of all servers.

    Args:
        connections: How to reach each server.
        prefix: Whether tools are named after their server, too.
        timeout_seconds: How long a server may take to list its tools.
        trust_seconds: How long a listing counts as what the server says now.

    Attributes:
        tools: The tools as last listed, by name; of a name that two servers offer, none.
    """

    def __init__(self, connections: Connections, *, prefix: bool, timeout_seconds: float, trust_seconds: float) -> None:
        self._connections = connections
        self._prefix = prefix
        self._timeout = timeout_seconds
        self._trust = trust_seconds
        self._listed: dict[str, dict[str, GovernedTool]] = {}
        self._listed_at: dict[str, float] = {}
        self.tools: Mapping[str, GovernedTool] = _Unambiguous(self._listed)

    async def find(self, server: str, name: str, headers: Mapping[str, Any] | None) -> GovernedTool:
        """Find a tool as its server describes it now.

        Args:
            server: The server's name.
            name: The tool's name there.
            headers: Headers that the call would add, which a server may need to answer at all.

        Returns:
            The tool under the name by which models and policy know it.

        Raises:
            InvalidCallError: If the server offers no such tool, or another one offers it, too.
            UnavailableError: If the server could not be asked.
            ConfigurationError: If the tool cannot be governed.
        """
        if server not in self._connections:
            raise InvalidCallError("unknown MCP server", expected="a server of the configuration")
        unheard = [other for other in self._connections if other != server and other not in self._listed]
        await asyncio.gather(self._refresh(server, headers), *(self._hear(other) for other in unheard))
        known = self.named(server, name)
        if known not in self._listed[server]:
            raise InvalidCallError("unknown tool", expected="a tool that the server offers")
        tool = self.tools.get(known)
        if tool is None:
            raise InvalidCallError(
                "two MCP servers offer a tool of this name",
                expected="unique names",
                remedy="name tools after their server, with prefix=True here and tool_name_prefix=True at the client",
            )
        return tool

    def named(self, server: str, name: str) -> str:
        """Return the name by which models and policy know a tool of a server."""
        return f"{server}_{name}" if self._prefix else name

    async def _hear(self, server: str) -> None:
        """List a server that was not called yet, for the names that it takes; one that is down takes none."""
        try:
            await self._refresh(server, None)
        except AisecopsError as error:
            _LOG.warning("an MCP server could not be asked for its tools: %s", error)

    async def _refresh(self, server: str, headers: Mapping[str, Any] | None) -> None:
        if time.monotonic() - self._listed_at.get(server, -self._trust) < self._trust:
            return
        connection = dict(self._connections[server])
        if headers and connection.get("transport") != "stdio":
            connection["headers"] = {**(connection.get("headers") or {}), **headers}
        try:
            async with asyncio.timeout(self._timeout):
                found = await list_tools(server, connection, prefix=self._prefix)
        except AisecopsError:
            raise
        except Exception as error:  # noqa: BLE001 - a server of somebody else: anything may come
            raise UnavailableError(
                "an MCP server could not be asked for its tools", expected="an answer", got=type(error).__name__
            ) from None
        self._listed[server] = await asyncio.to_thread(_governed, found[:_MOST_TOOLS])
        self._listed_at[server] = time.monotonic()


class _Unambiguous(Mapping[str, GovernedTool]):
    """The tools of all listings under the names that only one of them holds."""

    def __init__(self, listed: Mapping[str, Mapping[str, GovernedTool]]) -> None:
        self._listed = listed

    def __getitem__(self, name: str) -> GovernedTool:
        found = [tools[name] for tools in self._listed.values() if name in tools]
        if len(found) != 1:
            raise KeyError(name)
        return found[0]

    def __iter__(self) -> Any:
        return iter({name for tools in self._listed.values() for name in tools if name in self})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return sum(name in tools for tools in self._listed.values()) == 1


def _governed(found: list[Any]) -> dict[str, GovernedTool]:
    """Govern what can be governed; a tool with a schema that cannot be checked is left out, and so refused by name."""
    governed: dict[str, GovernedTool] = {}
    twice: set[str] = set()
    for tool in found:
        try:
            made = GovernedTool(tool)
        except AisecopsError as error:
            _LOG.warning("a tool of an MCP server is left out: %s", error)
            continue
        if made.name in governed:
            twice.add(made.name)
        governed[made.name] = made
    return {name: tool for name, tool in governed.items() if name not in twice}
