"""Structured values: bounds, digests and a walk over every text in them, keys included.

Invariant: bounds are checked without recursion before anything walks a value, so that no nesting, width or cycle can
exhaust the stack or the memory; what is not plain JSON is refused, never skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Final

from pydantic import JsonValue

from aisecops_langchain.canonical import canonical_bytes, digest_text
from aisecops_langchain.errors import CanonicalizationError, SanitizeError

_SCALARS: Final = (bool, int, float, type(None))


class UnreadableValueError(SanitizeError):
    """A value cannot be inspected whole: readers would see different things in it, or it is too large or deep."""

    rule: ClassVar[str] = "unreadable"
    """What the finding is called."""


class KeyCollisionError(UnreadableValueError):
    """Two keys of one object read the same once they are clean, so one would hide the other."""

    rule = "key-collision"


def exceeded_bound(value: object, *, max_depth: int, max_nodes: int, max_chars: int) -> str | None:
    """Check the size of a value.

    Args:
        value: Anything that claims to be JSON.
        max_depth: Levels of nesting allowed.
        max_nodes: Items and fields allowed, all levels together.
        max_chars: Characters allowed, all texts and keys together.

    Returns:
        ``depth`` or ``size`` for the first bound exceeded, or nothing.

    Raises:
        SanitizeError: If it holds anything that is not plain JSON.
    """
    chars = 0
    for nodes, (depth, item) in enumerate(walk(value), start=1):
        chars += len(item) if isinstance(item, str) else 0
        if depth > max_depth:
            return "depth"
        if nodes > max_nodes or chars > max_chars:
            return "size"
    return None


def text_size(value: JsonValue) -> int:
    """Count the characters of all texts of a value, keys included.

    Args:
        value: A plain JSON value within bounds.

    Returns:
        Their number.
    """
    return sum(len(item) for _depth, item in walk(value) if isinstance(item, str))


def digest_value(value: JsonValue) -> str:
    """Return the digest of a value as content; the same text has the same digest alone and as a value.

    Args:
        value: A plain JSON value, also one with lone surrogates or nested too deeply for a canonical form.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    return digest_text("content", content_text(value))


def content_text(value: JsonValue) -> str:
    """Write a value as the text that its digest as content is over.

    Args:
        value: A plain JSON value, also one with lone surrogates or nested too deeply for a canonical form.

    Returns:
        A text as it is; anything else in its canonical form, or item by item where it has none.
    """
    if isinstance(value, str):
        return value
    try:
        return canonical_bytes(value).decode()
    except CanonicalizationError:
        return "\n".join(f"{depth} {item!r}" for depth, item in _bounded(value))


def map_texts(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """Change every text of a value, keys included; the value must be within bounds.

    Args:
        value: A plain JSON value.
        change: What to do with one text.

    Returns:
        A new value; the old one is left alone.

    Raises:
        KeyCollisionError: If two keys of one object become the same.
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {change(key): map_texts(item, change) for key, item in value.items()}
    if len(changed) != len(value):
        raise KeyCollisionError("two keys of one object read the same once they are clean", expected="distinct keys")
    return changed


def _bounded(value: object) -> Iterator[tuple[int, object]]:
    """Walk at most so many items, since a cycle never ends."""
    for count, entry in enumerate(walk(value)):
        if count > 100_000:
            return
        yield entry


def walk(value: object) -> Iterator[tuple[int, object]]:
    """Walk a value in document order, without recursion.

    Args:
        value: Anything that claims to be JSON.

    Yields:
        Every scalar and key, and every container as its type, with its depth.

    Raises:
        SanitizeError: At whatever is not plain JSON.
    """
    stack: list[Iterator[object]] = [iter((value,))]
    while stack:
        for item in stack[-1]:
            if type(item) is str or type(item) in _SCALARS:
                yield len(stack) - 1, item
                continue
            yield len(stack) - 1, type(item)
            stack.append(_entries(item))
            break
        else:
            stack.pop()


def _entries(container: object) -> Iterator[object]:
    if type(container) is list:
        return iter(container)
    if type(container) is not dict:
        raise SanitizeError("value is not plain JSON", expected="JSON types", got=type(container).__name__)
    for key in container:
        if type(key) is not str:
            raise SanitizeError("object key is not text", expected="str", got=type(key).__name__)
    return (part for entry in container.items() for part in entry)
