"""Calls in a model's message: what it proposes, what of it can be stored, and what a person made of it.

Invariant: malformed calls are kept as such, so that planning rejects them; no message is changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall

from aisecops_langchain.adapters.translate.words import text_of
from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.errors import CanonicalizationError
from aisecops_langchain.runtime.plans.planner import ProposedCall, as_text


def proposals_of(message: AIMessage) -> list[ProposedCall]:
    """Read what a model proposed, the malformed calls included.

    Args:
        message: Its message.

    Returns:
        The proposals, in order.
    """
    calls = [ProposedCall(call["id"] or "", call["name"], call["args"]) for call in message.tool_calls]
    broken = [ProposedCall(call.get("id") or "", call.get("name") or "", None) for call in message.invalid_tool_calls]
    return calls + broken


def storable(message: AIMessage) -> AIMessage:
    """Derive a message that any checkpointer can keep unchanged.

    A lone surrogate silently becomes ``?`` in a checkpoint, and an integer beyond 64 bits ends the run when it is
    saved; a call that holds either is emptied here, and planning has already rejected it by then.

    Args:
        message: What a model answered.

    Returns:
        The message without whatever has no canonical form.
    """
    calls = [call if _is_canonical(call) else _emptied(call) for call in message.tool_calls]
    broken = [
        call if _is_canonical(dict(call)) else InvalidToolCall(**{**call, "args": "", "error": ""})
        for call in message.invalid_tool_calls
    ]
    content = message.content if _is_canonical(message.content) else as_text(text_of(message))
    changed = {"content": content, "tool_calls": calls, "invalid_tool_calls": broken}
    if _is_canonical(message.additional_kwargs):
        return message.model_copy(update=changed)
    return message.model_copy(update={**changed, "additional_kwargs": {}})


def with_edits(message: AIMessage, edits: Mapping[str, Mapping[str, Any]]) -> AIMessage:
    """Derive a message in which calls stand as a person edited them.

    Args:
        message: The model's message.
        edits: New arguments by call id.

    Returns:
        The same message if no call is concerned, otherwise a copy under the same id.
    """
    if not any(call["id"] in edits for call in message.tool_calls):
        return message
    calls = [
        ToolCall(name=call["name"], args=dict(edits[call["id"] or ""]), id=call["id"], type="tool_call")
        if call["id"] in edits
        else call
        for call in message.tool_calls
    ]
    return message.model_copy(update={"tool_calls": calls})


def _emptied(call: ToolCall) -> ToolCall:
    return ToolCall(name=as_text(call["name"]), args={}, id=as_text(call["id"] or ""), type="tool_call")


def _is_canonical(value: object) -> bool:
    try:
        canonical_bytes(value)
    except CanonicalizationError:
        return False
    return True
