"""Our answers to calls that did not run or have no result, as messages that a model can go on from.

Invariant: an answer holds no argument values and no advice; programs find in its artifact what became of the call.
"""

from __future__ import annotations

from langchain_core.messages import ToolMessage

from aisecops_langchain.adapters.state import CHANNEL


def refusal(call_id: str, tool: str, message: str, *, code: str) -> ToolMessage:
    """Answer a call that did not run, neutrally: no advice, nothing that invites another try.

    Args:
        call_id: The call.
        tool: The tool's name.
        message: Why, without argument values.
        code: Why, for programs.

    Returns:
        A tool message with status ``error`` and the outcome ``refused`` in its artifact, which no model is shown.
    """
    return error_message(call_id, tool, f"Not executed. {message}", outcome="refused", code=code)


def error_message(call_id: str, tool: str, message: str, *, outcome: str, code: str) -> ToolMessage:
    """Answer a call that has no result.

    Args:
        call_id: The call.
        tool: The tool's name.
        message: What happened, without argument values.
        outcome: What became of the call, for programs: ``refused``, ``failed`` or ``unknown``.
        code: Why, for programs.

    Returns:
        A tool message with status ``error``.
    """
    artifact = {CHANNEL: {"outcome": outcome, "code": code}}
    return ToolMessage(content=message, name=tool, tool_call_id=call_id, status="error", artifact=artifact)
