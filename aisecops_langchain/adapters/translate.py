"""The one place where LangChain's messages become ours: text, digests, proposals; and our answers become messages.

Invariant: nothing here trusts a message, and none is changed in place: a changed message is a new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from pydantic_core import PydanticSerializationError, to_jsonable_python

from aisecops_langchain.adapters.state import CHANNEL
from aisecops_langchain.canonical import MAX_DEPTH, JsonValue, canonical_bytes, digest_bytes
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import CanonicalizationError, SanitizeError
from aisecops_langchain.provenance import structured
from aisecops_langchain.runtime.plans.planner import ProposedCall, as_text
from aisecops_langchain.sanitize import Frame

KINDS: Final[Mapping[str, SourceKind]] = {
    "human": SourceKind.USER_PROMPT,
    "system": SourceKind.SYSTEM_PROMPT,
    "tool": SourceKind.TOOL_RESULT,
    "ai": SourceKind.AGENT_MESSAGE,
}
"""The door that each type of message stands for; any other type is an agent's message."""


_DATA: Final = frozenset({"data", "base64"})
OPAQUE: Final = _DATA | {"type", "id", "index", "mime_type", "source_type"}
"""Fields of a content block that hold no words, as long as they look it."""

_WORD: Final = re.compile(r"[\w.:/+$@-]{0,256}\Z")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=_\s-]*\Z")
_MEDIA: Final = frozenset({"data", "base64", "url", "image_url", "file_id", "file_uri", "input_audio", "video_url"})
"""Fields of a content block that hold or name something other than text."""

_PROSE: Final = frozenset({"text", "reasoning", "thinking", "tool_call", "tool_use", "tool_result", "function_call"})

_MAX_BLOCK_DEPTH: Final = 32


def text_of(message: BaseMessage) -> str:
    """Return all text of a message's content, blocks joined by line breaks."""
    content = message.content
    if isinstance(content, str):
        return content
    return "\n".join(_block_text(block) for block in content)


def uninspected_in(message: BaseMessage) -> tuple[str, ...]:
    """Name the types of content that nobody can read as text, such as pictures.

    Args:
        message: Any message.

    Returns:
        The types, each once, in order; ``unknown`` for one that has no plain name.
    """
    if isinstance(message.content, str):
        return ()
    found = {
        str(block.get("type")) if _WORD.match(str(block.get("type"))) else "unknown": None
        for block in message.content
        if isinstance(block, dict) and block.get("type") not in _PROSE and _MEDIA & block.keys()
    }
    return tuple(name[:32] for name in found)


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


def with_text(message: BaseMessage, change: Callable[[str], str]) -> BaseMessage:
    """Derive a message whose every text went through a function.

    Args:
        message: The message; stays as it is.
        change: What becomes of each text.

    Returns:
        The same message if no text changed, otherwise a copy with the new content.
    """
    content = message.content
    if isinstance(content, str):
        changed: str | list[Any] = change(content)
    else:
        changed = [_with_block_text(block, change) for block in content]
    return message if changed == content else message.model_copy(update={"content": changed})


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


def _block_text(block: object) -> str:
    texts: list[str] = []

    def keep(text: str) -> str:
        texts.append(text)
        return text

    _with_block_text(block, keep)
    return "\n".join(texts)


def _with_block_text(block: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    """Change every text of a content block, whatever field it stands in, and every name that is no plain word."""
    if depth > _MAX_BLOCK_DEPTH:
        raise SanitizeError("a content block is nested too deeply", expected=f"at most {_MAX_BLOCK_DEPTH} levels")
    if isinstance(block, str):
        return change(block)
    if isinstance(block, list):
        return [_with_block_text(item, change, depth + 1) for item in block]
    if not isinstance(block, dict):
        return block
    made = {
        _with_name(key, change): value if _holds_no_words(key, value) else _with_block_text(value, change, depth + 1)
        for key, value in block.items()
    }
    if len(made) != len(block):
        raise SanitizeError("two fields of a block read the same once they are clean", expected="distinct names")
    return made


def _with_name(name: Any, change: Callable[[str], str]) -> Any:
    return name if not isinstance(name, str) or _WORD.match(name) else change(name)


def _holds_no_words(name: Any, value: Any) -> bool:
    """Whether a field of a block is what its name says: an identifier, or data in base64."""
    if name not in OPAQUE or not isinstance(value, str):
        return name in OPAQUE and not isinstance(value, dict | list)
    return (_BASE64 if name in _DATA else _WORD).match(value) is not None


def _emptied(call: ToolCall) -> ToolCall:
    return ToolCall(name=as_text(call["name"]), args={}, id=as_text(call["id"] or ""), type="tool_call")


def _is_canonical(value: object) -> bool:
    try:
        canonical_bytes(value)
    except CanonicalizationError:
        return False
    return True


_MOST_TOKENS: Final = 1_000_000_000


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
