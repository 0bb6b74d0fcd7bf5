"""Results of MCP servers as messages that can be inspected, and back.

Invariant: every text that a model could be shown of a result, in whatever block it stands, is in the message; what was
not inspected does not come back.
"""

from __future__ import annotations

import json
from typing import Any, Final

from langchain_core.messages import ToolMessage
from mcp.types import CallToolResult, TextContent
from pydantic import ValidationError

from aisecops_langchain.errors import SanitizeError

_UNSEEN: Final = {"_meta", "meta", "annotations"}
"""Fields of a block that no model is shown."""

_DATA: Final = "blob"


def as_message(result: CallToolResult, *, call_id: str, tool: str) -> ToolMessage:
    """Make a message of a result, block by block; structured content stands last, as JSON text.

    Args:
        result: What the server answered.
        call_id: The call.
        tool: The tool's name.

    Returns:
        The message.
    """
    blocks: list[Any] = [_readable(block.model_dump(mode="json", exclude_none=True)) for block in result.content]
    if result.structuredContent is not None:
        blocks.append(TextContent(type="text", text=_text(result.structuredContent)).model_dump(exclude_none=True))
    return ToolMessage(content=blocks, name=tool, tool_call_id=call_id, status="error" if result.isError else "success")


def as_result(message: ToolMessage, before: CallToolResult | None) -> CallToolResult:
    """Make a result of an inspected message.

    Args:
        message: The message as it may be shown; not the one that was made of ``before`` where the call did not run.
        before: What the server answered, if it did.

    Returns:
        The result: structured content only where nothing in it had to be changed.

    Raises:
        SanitizeError: If what is left of a block is no block any more.
    """
    failed = message.status == "error"
    if before is None or isinstance(message.content, str):
        return plain_result(message.text, failed=failed)
    blocks, structured = list(message.content), before.structuredContent
    if structured is not None:
        last: Any = blocks.pop()
        structured = structured if last.get("text") == _text(structured) else None
    try:
        return CallToolResult.model_validate(
            {
                "content": [_written(block) for block in blocks],
                "structuredContent": structured,
                "isError": failed,
            }
        )
    except ValidationError:
        raise SanitizeError("what inspection left of a result is no result any more", expected="MCP blocks") from None


def plain_result(text: str, *, failed: bool) -> CallToolResult:
    """Make a result of nothing but a text."""
    return CallToolResult(content=[TextContent(type="text", text=text)], isError=failed)


def _readable(block: dict[str, Any]) -> dict[str, Any]:
    """Leave out what no model is shown, and put binary data where inspection leaves it alone."""
    kept = {key: value for key, value in block.items() if key not in _UNSEEN}
    resource = kept.get("resource")
    if isinstance(resource, dict):
        kept["resource"] = {
            ("data" if key == _DATA else key): value for key, value in resource.items() if key not in _UNSEEN
        }
    return kept


def _written(block: Any) -> Any:
    resource = block.get("resource") if isinstance(block, dict) else None
    if not isinstance(resource, dict):
        return block
    return {**block, "resource": {(_DATA if key == "data" else key): value for key, value in resource.items()}}


def _text(structured: dict[str, Any]) -> str:
    return json.dumps(structured, ensure_ascii=False, sort_keys=True)
