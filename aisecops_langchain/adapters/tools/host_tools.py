"""LangGraph's ``ToolNode`` as the executor uses it: a tool with a deadline runs in a thread of its own.

Invariant: no thread that the interpreter waits for at its end outlives a deadline, whatever the tool does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from aisecops_langchain.runtime.effects.waiting import call_until, current_deadline

_Answer = ToolMessage | Command[Any]


def tool_node(tools: Sequence[BaseTool]) -> ToolNode:
    """Make a node that runs tools and hides nothing that they raise.

    Args:
        tools: The tools.

    Returns:
        The node.
    """
    return ToolNode(tools, handle_tool_errors=False, wrap_tool_call=_apart, awrap_tool_call=_in_place)


def has_coroutine(tool: BaseTool) -> bool:
    """Tell whether a tool has an asynchronous form of its own; without one, LangChain runs it in a worker thread.

    Args:
        tool: The tool.

    Returns:
        Whether it has.
    """
    if isinstance(tool, StructuredTool):
        return tool.coroutine is not None
    return type(tool)._arun is not BaseTool._arun  # noqa: SLF001 - the hook that LangChain's own subclasses fill in


def _apart(request: ToolCallRequest, execute: Callable[[ToolCallRequest], _Answer]) -> _Answer:
    """Call the tool apart from the node's own worker, for which the interpreter would wait at its end."""
    return call_until(current_deadline(), lambda: execute(request))


async def _in_place(request: ToolCallRequest, execute: Callable[[ToolCallRequest], Awaitable[_Answer]]) -> _Answer:
    return await execute(request)
