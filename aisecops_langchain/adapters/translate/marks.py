"""Marks that set untrusted words apart in what a model is shown, and that it may copy into what it says.

Invariant: no message in state holds a mark: framing makes what is shown, and marks are taken out of what comes back.
"""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from aisecops_langchain.adapters.translate.words import with_text
from aisecops_langchain.canonical import MAX_DEPTH
from aisecops_langchain.sanitize import Frame


def framed(message: BaseMessage, frame: Frame) -> BaseMessage:
    """Derive a message whose words are set apart; pictures, addresses and other data of its blocks stay as they are.

    Args:
        message: The message; stays as it is.
        frame: How.

    Returns:
        What a model is shown of it.
    """
    content = message.content
    if isinstance(content, str):
        return message.model_copy(update={"content": frame.show(content)})
    return message.model_copy(update={"content": [_framed_block(block, frame) for block in content]})


def _framed_block(block: Any, frame: Frame) -> Any:
    if isinstance(block, str):
        return frame.show(block)
    if isinstance(block, dict) and isinstance(block.get("text"), str):
        return {**block, "text": frame.show(block["text"])}
    return block


def unmarked(message: AIMessage, frame: Frame) -> AIMessage:
    """Derive what a model said without the marks that it took over from what it was shown.

    Args:
        message: What it answered.
        frame: The frame that content was shown in.

    Returns:
        The same message if it holds none, otherwise a copy; in arguments, only values are freed of marks.
    """
    calls = [ToolCall(**{**call, "args": _stripped(call["args"], frame)}) for call in message.tool_calls]
    spoken = with_text(message, frame.strip)
    if spoken is message and calls == message.tool_calls:
        return message
    return message.model_copy(update={"content": spoken.content, "tool_calls": calls})


def _stripped(value: Any, frame: Frame, depth: int = 0) -> Any:
    """Free the texts of arguments of marks; what is nested more deeply has no canonical form and is refused later."""
    if isinstance(value, str):
        return frame.strip(value)
    if isinstance(value, list) and depth < MAX_DEPTH:
        return [_stripped(item, frame, depth + 1) for item in value]
    if isinstance(value, dict) and depth < MAX_DEPTH:
        return {key: _stripped(item, frame, depth + 1) for key, item in value.items()}
    return value
