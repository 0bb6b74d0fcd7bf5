"""What every format has in common: its operand is read strictly, and it is asked about text or each item of a list.

Invariant: a format accepts only what its consumer, whichever reasonable parser that uses, reads as the same allowed
thing; where parsers are known to differ, it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import JsonValue, ValidationError

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.policy.values import ARRAY, TEXT, OperandError, kind_of, mismatch

Accepts = Callable[[object], bool]
"""Whether a value passes; raises ``EvaluationError`` for a value of another kind."""

TextCheck = Callable[[str], bool]
"""Whether one text passes."""

MAX_ITEMS: Final = 1_000
"""A list with more items does not pass."""

_Options = TypeVar("_Options", bound=Frozen)


def read_options(name: str, options: type[_Options], operand: JsonValue) -> _Options:
    """Read the operand of a constraint strictly.

    Args:
        name: The constraint.
        options: What it takes.
        operand: What stands in the bundle.

    Returns:
        The options.

    Raises:
        OperandError: If it is not what the constraint takes; keys are named, values are not.
    """
    if not isinstance(operand, dict):
        raise OperandError(f"{name} takes a mapping with {', '.join(options.model_fields)}, not {kind_of(operand)}")
    try:
        return options.model_validate_json(canonical_bytes(operand), strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or name
        message = first["msg"].removeprefix("Value error, ")
        known = ", ".join(options.model_fields)
        raise OperandError(f"{name}: {where}: {message}; it takes {known}") from None


def each(check: TextCheck, *, longest: int) -> Accepts:
    """Ask a check about text, or about every item of a list of texts.

    Args:
        check: The check.
        longest: Longer text does not pass, in characters.

    Returns:
        The test.
    """

    def accepts(value: object) -> bool:
        if isinstance(value, str):
            return len(value) <= longest and check(value)
        if not isinstance(value, list):
            raise mismatch(f"{TEXT} or {ARRAY}", kind_of(value))
        return len(value) <= MAX_ITEMS and all(isinstance(item, str) and accepts(item) for item in value)

    return accepts


def texts_of(name: str, operand: JsonValue) -> tuple[str, ...]:
    """Read an operand that is one text or a list of texts.

    Args:
        name: The constraint.
        operand: What stands in the bundle.

    Returns:
        The texts, at least one, none empty.

    Raises:
        OperandError: If it is anything else.
    """
    items = operand if isinstance(operand, list) else [operand]
    texts = tuple(item for item in items if isinstance(item, str) and item)
    if not texts or len(texts) != len(items):
        raise OperandError(f"{name} takes text or a list of texts that is not empty")
    return texts
