"""Messages as data: what is digested of them, and the structured form of a tool's result.

Invariant: a digest changes with anything that a model sees of a message, and with nothing else.
"""

from __future__ import annotations

from typing import Any

import orjson
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from pydantic_core import PydanticSerializationError, to_jsonable_python

from aisecops_langchain.adapters.translate.words import text_of
from aisecops_langchain.canonical import JsonValue, digest_bytes
from aisecops_langchain.errors import SanitizeError
from aisecops_langchain.provenance import structured


def structure_of(message: BaseMessage) -> JsonValue:
    """Return the structured form of a tool's result, where it has one.

    Args:
        message: A tool's message as the tool node made it.

    Returns:
        The artifact as JSON if the tool gave one, else the content if it is a JSON object or list, else ``None``.
    """
    artifact = message.artifact if isinstance(message, ToolMessage) else None
    if artifact is None:
        return structured(text_of(message))
    try:
        return plain_artifact(artifact)
    except SanitizeError:
        return None


def plain_artifact(artifact: object) -> JsonValue:
    """Write what a tool gave beside its words as JSON.

    Args:
        artifact: Anything at all.

    Returns:
        The value.

    Raises:
        SanitizeError: If it has no JSON form.
    """
    try:
        plain: JsonValue = to_jsonable_python(artifact, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError):
        raise SanitizeError("an artifact has no JSON form", got=type(artifact).__name__) from None
    return plain


def content_key(message: BaseMessage) -> str:
    """Digest what a model sees of a message: its type, content and calls.

    Args:
        message: Any message.

    Returns:
        A digest that changes with anything in it.
    """
    seen: list[Any] = [message.type, message.content]
    if isinstance(message, AIMessage):
        seen += [message.tool_calls, message.invalid_tool_calls]
    elif isinstance(message, ToolMessage):
        seen.append(message.tool_call_id)
    try:
        data = orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        data = b"\0" + repr(seen).encode("utf-8", "surrogatepass")
    return digest_bytes("message", data)
