"""Proposed calls, and who wants them: the user's task, or an injection.

Invariant: the id of a proposal says who wants it and which of its calls it is; nothing else in a run carries that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from langchain_core.messages import ToolCall
from pydantic import BaseModel

from aisecops_langchain.evals.agentdojo.shapes import UserTask

USER: Final = "user"
INJECTED: Final = "injected"
AGAIN: Final = "again"


class Call(NamedTuple):
    """A tool and its arguments."""

    function: str
    args: dict[str, object]


def user_calls(task: UserTask, environment: BaseModel) -> tuple[ToolCall, ...]:
    """Return the calls that solve a user's task.

    Args:
        task: The task.
        environment: The world before the first call; the ground truth takes identifiers from it.

    Returns:
        AgentDojo's ground truth, each call under its own call id.
    """
    return to_tool_calls((Call(call.function, dict(call.args)) for call in task.ground_truth(environment)), USER)


def to_tool_calls(calls: Iterable[Call], origin: str) -> tuple[ToolCall, ...]:
    """Give calls the shape of a model's proposals.

    Args:
        calls: The calls.
        origin: Who wants them; their ids begin with it.

    Returns:
        One proposal for each.
    """
    return tuple(
        ToolCall(name=call.function, args=call.args, id=f"{origin}_{position}", type="tool_call")
        for position, call in enumerate(calls)
    )


def is_injected(call_id: str) -> bool:
    """Tell whether an injection wanted a call."""
    return origin_of(call_id) in {INJECTED, AGAIN}


def origin_of(call_id: str) -> str:
    """Return who wanted a call."""
    return call_id.partition("_")[0]


def number_of(call_id: str) -> str:
    """Return the place of a call among those of its origin; a call proposed again keeps it."""
    return call_id.partition("_")[2]
