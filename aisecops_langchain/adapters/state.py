"""The governance channel of a graph's state: references and seals as plain JSON, never authority.

Invariant: losing or forging this channel can only make the governor refuse or ask; it can never make it allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

CHANNEL: Final = "aisecops"
"""Name of the channel in graph state."""

MESSAGES: Final = "messages"
"""Name of the channel that holds the conversation."""

_MERGED: Final = ("labels", "edits")
"""Entries that parallel nodes add to; all others are replaced."""


def merge_governance(left: object, right: object) -> dict[str, Any]:
    """Reduce two values of the governance channel.

    Args:
        left: What stands there.
        right: What a node returned; anything that is not a mapping is dropped.

    Returns:
        Entries of the right over those of the left; labels and edits united.
    """
    merged: dict[str, Any] = dict(left) if isinstance(left, Mapping) else {}
    if not isinstance(right, Mapping):
        return merged
    for name, value in right.items():
        before = merged.get(name)
        if name in _MERGED and isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = {**before, **value}
        else:
            merged[name] = value
    return merged


class GovernanceState(TypedDict, total=False):
    """The channels that governed graphs need; inherit from it, or let ``govern`` add them to your own state."""

    messages: Annotated[list[AnyMessage], add_messages]
    aisecops: Annotated[dict[str, Any], merge_governance]
