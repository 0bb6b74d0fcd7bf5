"""Kinds of values, and what operands of each kind look like.

Invariant: the kinds are JSON's, and disjoint: a boolean is not a number, and a label's level is text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pydantic import JsonValue

from aisecops_langchain.domain.labels import Confidentiality, Integrity, SourceKind
from aisecops_langchain.errors import AisecopsError

TEXT: Final = "text"
NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
NULL: Final = "null"
ARRAY: Final = "array"
OBJECT: Final = "object"

KINDS: Final[Mapping[type, str]] = {
    str: TEXT,
    Integrity: TEXT,
    Confidentiality: TEXT,
    SourceKind: TEXT,
    int: NUMBER,
    float: NUMBER,
    bool: BOOLEAN,
    type(None): NULL,
    list: ARRAY,
    dict: OBJECT,
}
"""Kind of every Python type that a request can hold."""

JSON_TYPES: Final[Mapping[str, frozenset[type]]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "array": frozenset({list}),
    "object": frozenset({dict}),
    "null": frozenset({type(None)}),
}
"""Python types by the names that JSON Schema gives to them."""

NOTHING: Final = "nothing"
"""Kind of ``MISSING``: no operator takes it, so that a value that is not there is an error, not an answer."""

_SCALAR_KINDS: Final = frozenset({TEXT, NUMBER, BOOLEAN, NULL})


class _Missing:
    """The value of a path that leads nowhere."""


MISSING: Final = _Missing()

ABSENT: Final = "is missing"
"""What an error says of a value that is not there."""


class EvaluationError(AisecopsError):
    """A condition cannot be answered: an attribute is missing or is of another kind. Names kinds, never values."""


class OperandError(AisecopsError):
    """What stands behind an operator is not what it takes."""


def kind_of(value: object) -> str:
    """Name the kind of a value.

    Args:
        value: Any value.

    Returns:
        One of the JSON kinds, or ``unknown``.
    """
    return NOTHING if value is MISSING else KINDS.get(type(value), "unknown")


def mismatch(expected: str, got: str) -> EvaluationError:
    """Word the error of a value of the wrong kind, or of one that is not there.

    Args:
        expected: The kind that was needed.
        got: The kind that came.

    Returns:
        The error, to be raised.
    """
    if got == NOTHING:
        return EvaluationError(ABSENT)
    return EvaluationError(f"expected {expected}, got {got}")


class Operand(NamedTuple):
    """What may stand behind an operator."""

    expected: str
    """In words."""
    fits: Callable[[JsonValue], bool]


def _is_scalar(value: JsonValue) -> bool:
    return kind_of(value) in _SCALAR_KINDS


SCALAR: Final = Operand("text, a number, true, false or null", _is_scalar)
SCALARS: Final = Operand(
    "a list, not empty, of text, numbers, true, false or null",
    lambda value: isinstance(value, list) and bool(value) and all(_is_scalar(item) for item in value),
)
NUMERIC: Final = Operand("a number", lambda value: kind_of(value) == NUMBER)
WORDS: Final = Operand("text that is not empty", lambda value: isinstance(value, str) and bool(value))
PART: Final = Operand(
    "text that is not empty, a number, true, false or null", lambda value: _is_scalar(value) and value != ""
)
COUNT: Final = Operand("a whole number, 0 or more", lambda value: type(value) is int and value >= 0)
FLAG: Final = Operand("true or false", lambda value: isinstance(value, bool))
TYPE_NAME: Final = Operand(
    "one of " + ", ".join(sorted(JSON_TYPES)), lambda value: isinstance(value, str) and value in JSON_TYPES
)
