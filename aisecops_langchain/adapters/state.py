"""The governance channel of a graph's state: references and seals as plain JSON, never authority.

Invariant: losing or forging this channel can only make the governor refuse or ask; it can never make it allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypedDict, get_type_hints, is_typeddict

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages

from aisecops_langchain.errors import ConfigurationError

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


def governed_schema(own: type[Any] | None) -> type[Any]:
    """Add the governance channel to a state schema.

    Args:
        own: A ``TypedDict`` with a ``messages`` channel; ``None`` for no channels but ours.

    Returns:
        The schema with both.

    Raises:
        ConfigurationError: If it is another type, or has no channel that keeps a conversation.
    """
    if own is None:
        return GovernanceState
    if not is_typeddict(own):
        raise ConfigurationError("unsupported state schema", expected="a TypedDict", got=getattr(own, "__name__", "?"))
    hints = get_type_hints(own, include_extras=True)
    if MESSAGES not in hints:
        raise ConfigurationError(
            "the state schema has no conversation", expected=f"a channel named {MESSAGES}", got=", ".join(sorted(hints))
        )
    if not getattr(hints[MESSAGES], "__metadata__", ()):
        raise ConfigurationError(
            "the conversation would be overwritten at each step",
            expected=f"a reducer on {MESSAGES}, such as add_messages",
            got="none",
        )
    added = get_type_hints(GovernanceState, include_extras=True)[CHANNEL]
    from typing_extensions import TypedDict as Extended  # noqa: PLC0415

    return Extended(f"Governed{own.__name__}", {**hints, CHANNEL: added}, total=False)  # type: ignore[operator,no-any-return]
