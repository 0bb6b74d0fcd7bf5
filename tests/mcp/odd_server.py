"""An MCP server that says of its tools whatever a file tells it to: ``python odd_server.py BOOK TOOLS.json``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import TextContent, Tool

BOOK, TOOLS = Path(sys.argv[1]), Path(sys.argv[2])
server: Server[Any, Any] = Server("odd")


def note(line: str) -> None:
    with BOOK.open("a") as book:
        book.write(f"{line}\n")


@server.list_tools()
async def list_tools() -> list[Tool]:
    return [Tool(**item) for item in json.loads(await asyncio.to_thread(TOOLS.read_text))]


@server.call_tool(validate_input=False)
async def call_tool(name: str, arguments: dict[str, Any]) -> list[TextContent]:
    await asyncio.to_thread(note, f"{name} {json.dumps(arguments, sort_keys=True)}")
    return [TextContent(type="text", text=f"did {name}")]


async def main() -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


asyncio.run(main())
