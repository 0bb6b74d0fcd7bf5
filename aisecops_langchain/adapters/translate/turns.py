"""Turns of a conversation: the proposal that is open, the calls that were answered, and what a turn cost.

Invariant: a proposal that newer words follow is not open any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

_MOST_TOKENS: Final = 1_000_000_000


def last_turn(messages: Sequence[AnyMessage]) -> tuple[int, AIMessage] | None:
    """Find the model's last message that proposes calls and is not followed by newer words.

    Args:
        messages: The conversation.

    Returns:
        Its index and the message, or ``None`` if the last word is not a proposal.
    """
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, AIMessage):
            return (index, message) if message.tool_calls or message.invalid_tool_calls else None
        if isinstance(message, HumanMessage | SystemMessage):
            return None
    return None


def answered_after(messages: Sequence[AnyMessage], index: int) -> frozenset[str]:
    """Return the ids of the calls that tool messages after an index answer."""
    return frozenset(message.tool_call_id for message in messages[index + 1 :] if isinstance(message, ToolMessage))


def tokens_of(answer: BaseMessage, asked: Sequence[BaseMessage]) -> int:
    """Count the tokens of one turn of a model.

    Args:
        answer: What the model answered.
        asked: What it was shown.

    Returns:
        What the model reports, or one token for every four characters where it reports nothing.
    """
    usage = answer.usage_metadata if isinstance(answer, AIMessage) else None
    if usage is not None and type(usage.get("total_tokens")) is int and usage["total_tokens"] > 0:
        return min(usage["total_tokens"], _MOST_TOKENS)
    return -(-sum(len(str(message.content)) for message in (*asked, answer)) // 4)
