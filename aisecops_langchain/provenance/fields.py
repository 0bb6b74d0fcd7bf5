"""First-party fields of tool results: values at paths that policy declared, taken out of the structured result.

Invariant: only a structured result has fields, and a field's value is a whole scalar at a declared path; text is never
searched for them. What is too long, or more than the limit, is left out, which can only lower trust.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from aisecops_langchain.canonical import JsonValue

MAX_VALUES: Final = 2000
MAX_LENGTH: Final = 500
_MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One trusted value of a result."""

    path: str
    """The declared path, or the kind of value, that it was found under."""
    value: str
    """As text; whole numbers without a fraction."""


def fields_of(result: JsonValue, paths: Iterable[str]) -> tuple[FieldValue, ...]:
    """Take the values at declared paths out of a structured result.

    Args:
        result: The result as JSON.
        paths: Paths such as ``id``, ``[].id``, ``[].people[]``, ``rooms.*.name``, ``keys()`` or ``*`` for every leaf.

    Returns:
        The values, each once.
    """
    found: dict[FieldValue, None] = {}
    for path in paths:
        leaves = _leaves(result, 0) if path == "*" else _walk(result, _steps(path))
        for leaf in leaves:
            text = scalar_text(leaf)
            if text and len(text) <= MAX_LENGTH and _is_valid(text):
                found[FieldValue(path, text)] = None
            if len(found) >= MAX_VALUES:
                return tuple(found)
    return tuple(found)


def structured(text: str) -> JsonValue:
    """Read a result that was written as JSON.

    Args:
        text: What the tool answered.

    Returns:
        The value, or ``None`` if the text is not a JSON object or list.
    """
    if not text or text[0] not in "[{":
        return None
    try:
        value: JsonValue = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return None
    return value


def scalar_text(value: JsonValue) -> str | None:
    """Write a scalar as the text that it is compared by.

    Args:
        value: Any JSON value.

    Returns:
        The text, or ``None`` for truth values, null, lists and objects.
    """
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value).strip()


def _is_valid(text: str) -> bool:
    return text.isascii() or text.encode("utf-8", "replace").decode() == text


def _steps(path: str) -> tuple[str, ...]:
    steps: list[str] = []
    for part in path.split("."):
        name, *items = part.split("[]")
        steps += [name] if name else []
        steps += ["[]"] * len(items)
    return tuple(steps)


def _walk(value: JsonValue, steps: Sequence[str]) -> Iterator[JsonValue]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for item in value if isinstance(value, list) else ():
            yield from _walk(item, rest)
    elif isinstance(value, dict):
        if step == "keys()":
            yield from value
        elif step == "*":
            for item in value.values():
                yield from _walk(item, rest)
        elif step in value:
            yield from _walk(value[step], rest)


def _leaves(value: JsonValue, depth: int) -> Iterator[JsonValue]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item, depth + 1)
    else:
        yield value
