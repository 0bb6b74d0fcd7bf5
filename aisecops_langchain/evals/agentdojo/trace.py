"""A governed conversation as AgentDojo's message list, which its checkers judge.

Invariant: only calls that ran stand in it. Some checkers judge calls by the mere proposal, and a call that governance
refused has done nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from agentdojo.functions_runtime import FunctionCall as AgentDojoCall
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from aisecops_langchain.adapters.state import CHANNEL

Fate: TypeAlias = Literal["ran", "refused", "failed", "unknown", "unanswered"]
"""What became of a call: ``refused`` by governance, ``failed`` in the tool."""


def to_agentdojo_messages(messages: Sequence[BaseMessage]) -> list[Mapping[str, object]]:
    """Translate a finished conversation.

    Args:
        messages: The agent's messages, oldest first.

    Returns:
        AgentDojo's messages; the last one is always the assistant's answer, empty where it gave none.
    """
    results = executed_results(messages)
    translated: list[Mapping[str, object]] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            translated.append({"role": "user", "content": _blocks(message.text)})
        elif isinstance(message, AIMessage) and message.tool_calls:
            translated.extend(_executed_turn(message, results))
    answer = final_answer(messages)
    return [*translated, {"role": "assistant", "content": _blocks(answer), "tool_calls": None}]


def executed_results(messages: Sequence[BaseMessage]) -> dict[str, ToolMessage]:
    """Return the result of every call that ran to its end, by call id.

    Args:
        messages: The agent's messages.

    Returns:
        The tool messages that report no error; a refusal comes as an error.
    """
    return {
        message.tool_call_id: message
        for message in messages
        if isinstance(message, ToolMessage) and message.status != "error"
    }


def fate(answer: ToolMessage | None) -> Fate:
    """Tell what became of a call.

    Args:
        answer: The tool message that answers it, if there is one.

    Returns:
        Its fate; an error that governance did not explain is ``unknown``.
    """
    if answer is None:
        return "unanswered"
    if answer.status != "error":
        return "ran"
    artifact = answer.artifact if isinstance(answer.artifact, dict) else {}
    match artifact.get(CHANNEL):
        case {"outcome": "refused"}:
            return "refused"
        case {"outcome": "failed"}:
            return "failed"
    return "unknown"


def final_answer(messages: Sequence[BaseMessage]) -> str:
    """Return the assistant's last words, or nothing if the run ended otherwise.

    Args:
        messages: The agent's messages.

    Returns:
        The text of the last message where that is the assistant's and proposes no call.
    """
    last = messages[-1] if messages else None
    return last.text if isinstance(last, AIMessage) and not last.tool_calls else ""


def _executed_turn(message: AIMessage, results: Mapping[str, ToolMessage]) -> list[Mapping[str, object]]:
    """Give the calls of one turn that ran, each followed by its result."""
    turn: list[Mapping[str, object]] = []
    for proposed in message.tool_calls:
        result = results.get(proposed["id"] or "")
        if result is None:
            continue
        call = AgentDojoCall(function=proposed["name"], args=proposed["args"], id=proposed["id"])
        turn.append({"role": "assistant", "content": _blocks(message.text), "tool_calls": [call]})
        turn.append(
            {"role": "tool", "content": _blocks(result.text), "tool_call": call, "tool_call_id": call.id, "error": None}
        )
    return turn


def _blocks(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "content": text}]
