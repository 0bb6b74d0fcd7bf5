"""Results of a store's operations: where memories stand in them, and how they are put back.

Invariant: no result is changed in place; a memory that was looked at again takes the place of what was there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.store.base import GetOp, Item, Op, Result, SearchItem, SearchOp

from aisecops_langchain.domain.labels import Label
from aisecops_langchain.runtime.memory.service import Look

Where = tuple[int, int | None]
"""Which result, and which of its items."""

Looks = dict[Where, tuple[Item, Look]]
"""What memories looked like when they were compared with what was written last."""


class GovernedItem(Item):
    """A memory that was recognised and inspected.

    Attributes:
        label: Join of everything that led to it.
    """

    __slots__ = ("label",)

    label: Label


class GovernedSearchItem(SearchItem):
    """The same, as found by a search."""

    __slots__ = ("label",)

    label: Label


def items_in(ops: Sequence[Op], found: Sequence[Result]) -> Iterable[tuple[Where, Item]]:
    """Yield every memory among some results, with its place there."""
    for index, (op, result) in enumerate(zip(ops, found, strict=True)):
        if isinstance(op, GetOp) and isinstance(result, Item):
            yield (index, None), result
        elif isinstance(op, SearchOp) and isinstance(result, list):
            yield from (((index, at), item) for at, item in enumerate(result) if isinstance(item, Item))


def found_at(found: Sequence[Any], where: Where) -> Any:
    """Return what stands at a place among results."""
    index, at = where
    return found[index] if at is None else found[index][at]


def stale(looks: Looks) -> dict[Where, GetOp]:
    """Name the memories that need a second look, and how to take it."""
    return {
        where: GetOp(item.namespace, item.key, refresh_ttl=False)
        for where, (item, look) in looks.items()
        if look.fault == "stale"
    }


def looked_again(found: Sequence[Result], again: Iterable[Where], fresh: Sequence[Result]) -> list[Result]:
    """Put what a second look showed into its place among the results."""
    changed: list[Any] = [list(result) if isinstance(result, list) else result for result in found]
    for (index, at), item in zip(again, fresh, strict=True):
        now = item if isinstance(item, Item) else None
        if at is None:
            changed[index] = now
        else:
            changed[index][at] = None if now is None else _scored(now, changed[index][at].score)
    return changed


def _scored(item: Item, score: float | None) -> SearchItem:
    return SearchItem(item.namespace, item.key, item.value, item.created_at, item.updated_at, score)


def governed(item: Item, value: dict[str, Any], label: Label) -> Item:
    """Derive the item that is shown for a memory."""
    made: GovernedItem | GovernedSearchItem
    if isinstance(item, SearchItem):
        made = GovernedSearchItem(item.namespace, item.key, value, item.created_at, item.updated_at, item.score)
    else:
        made = GovernedItem(
            value=value,
            key=item.key,
            namespace=item.namespace,
            created_at=item.created_at,
            updated_at=item.updated_at,
        )
    made.label = label
    return made


def namespaces(result: Any) -> list[tuple[str, ...]]:
    """Read a list of namespaces."""
    return [tuple(space) for space in result]
