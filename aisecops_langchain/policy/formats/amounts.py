"""``decimal`` and ``money``: exact amounts that are written as text.

Invariant: an accepted text is plain ASCII digits with at most one point, so every reader gets the same number; there
is no exponent, no grouping, no NaN, no infinity and no rounding.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.policy.formats.base import Accepts, TextCheck, each, read_options

_LONGEST: Final = 64
_DIGITS: Final = r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?"
_NUMBER: Final = re.compile(_DIGITS)
_MONEY: Final = re.compile(rf"(?P<before>[A-Z]{{3}}) (?P<first>{_DIGITS})|(?P<last>{_DIGITS}) (?P<after>[A-Z]{{3}})")

DecimalText = Annotated[str, StringConstraints(pattern=rf"^{_DIGITS}$")]
"""A bound, in quotes, so that YAML does not make it binary floating point."""


class DecimalOptions(Frozen):
    """What a ``decimal`` constraint takes."""

    min: DecimalText
    max: DecimalText
    scale: Annotated[int, Field(ge=0, le=18)] = 2
    """Digits after the point at most."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if Decimal(self.min) > Decimal(self.max):
            raise ValueError("min is above max")
        return self


class MoneyOptions(DecimalOptions):
    """What a ``money`` constraint takes."""

    currencies: Annotated[tuple[Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")], ...], Field(min_length=1)]
    """ISO 4217 codes."""


def decimal(operand: JsonValue) -> Accepts:
    """Build the constraint on text such as ``12.30``.

    Args:
        operand: See ``DecimalOptions``.

    Returns:
        The test.

    Raises:
        OperandError: If the operand is not that.
    """
    options = read_options("decimal", DecimalOptions, operand)
    within = _within(options)
    return each(lambda value: _NUMBER.fullmatch(value) is not None and within(value), longest=_LONGEST)


def money(operand: JsonValue) -> Accepts:
    """Build the constraint on text such as ``EUR 12.30`` or ``12.30 EUR``.

    Args:
        operand: See ``MoneyOptions``.

    Returns:
        The test.

    Raises:
        OperandError: If the operand is not that.
    """
    options = read_options("money", MoneyOptions, operand)
    within = _within(options)

    def allowed(value: str) -> bool:
        parts = _MONEY.fullmatch(value)
        if parts is None:
            return False
        return (parts["before"] or parts["after"]) in options.currencies and within(parts["first"] or parts["last"])

    return each(allowed, longest=_LONGEST)


def _within(options: DecimalOptions) -> TextCheck:
    low, high, scale = Decimal(options.min), Decimal(options.max), options.scale
    return lambda digits: len(digits.partition(".")[2]) <= scale and low <= Decimal(digits) <= high
