"""The words of a message: found in whatever field of its content they stand, and changed there.

Invariant: nothing here trusts a message, and none is changed in place: a changed message is a new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from langchain_core.messages import BaseMessage

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import SanitizeError

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
