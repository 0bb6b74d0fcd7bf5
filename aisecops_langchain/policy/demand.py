"""What a call would take from budgets: how much it spends, whom it reaches.

Invariant: nothing is counted for less than any consumer could take it for. An amount that readers take differently, or
that is not given, cannot be told; several recipients in one text count each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile
from aisecops_langchain.domain.usage import MICRO, Usage
from aisecops_langchain.policy.bounds_model import Budget, Measure

_OUTWARD: Final = frozenset({ToolEffect.SEND, ToolEffect.SPEND, ToolEffect.GRANT})
_MOST: Final = 2**53
_AMOUNT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.(?:[0-9]{1,2}|[0-9]{4,18}))?")
"""Plain digits; three of them after a point are thousands to some."""
_BETWEEN: Final = re.compile(r"[,;|\n]")
_AROUND: Final = re.compile(r"[\s,;|<>()\"]+")


class DemandError(ValueError):
    """What a call would use cannot be told."""


def demand_of(
    budgets: Mapping[str, Budget], usage: Usage, arguments: Mapping[str, JsonValue], profile: ToolProfile
) -> dict[str, int]:
    """Tell what a call would take from each budget.

    Args:
        budgets: The budgets that it draws on.
        usage: What was used so far.
        arguments: Its arguments.
        profile: What the tool does.

    Returns:
        The amount by budget id, in the smallest unit of the measure.

    Raises:
        DemandError: If an amount cannot be told.
    """
    return {name: _amount(name, budget, usage, arguments, profile) for name, budget in budgets.items()}


def _amount(name: str, budget: Budget, usage: Usage, arguments: Mapping[str, JsonValue], profile: ToolProfile) -> int:
    match budget.measure:
        case Measure.CALLS:
            return 1
        case Measure.WRITES:
            return 0 if profile.only_reads else 1
        case Measure.SPEND:
            return spend_of(arguments, profile)
        case Measure.RECIPIENTS:
            return usage.fresh.get(name, 0)
        case _:
            return 0


def spend_of(arguments: Mapping[str, JsonValue], profile: ToolProfile) -> int:
    """Add up what a call spends.

    Args:
        arguments: The call's arguments.
        profile: What the tool does.

    Returns:
        Millionths of the unit of money; 0 for a tool that does not spend.

    Raises:
        DemandError: If the tool spends and its profile names no amount, none is given, or one is no number of at
            least 0 that all readers take for the same.
    """
    if ToolEffect.SPEND not in profile.effects:
        return 0
    if not profile.amounts:
        raise DemandError("the tool spends, and its profile names no amount")
    given = [value for name in profile.amounts for value in _leaves(arguments.get(name)) if value is not None]
    if not given:  # what a tool does without an amount, perhaps spend all there is, is not known
        raise DemandError("no amount is given")
    total = sum(map(_money, given))
    if total > _MOST:
        raise DemandError("the amount is too large to be counted")
    return total


def recipients_of(arguments: Mapping[str, JsonValue], profile: ToolProfile) -> frozenset[str]:
    """Name whom a call reaches.

    Args:
        arguments: The call's arguments.
        profile: What the tool does.

    Returns:
        The targets in one spelling, each of several in one text by itself; none for a tool that reaches nobody outside.
    """
    if _OUTWARD.isdisjoint(profile.effects):
        return frozenset()
    named = profile.targets or tuple(arguments)
    texts = (value for name in named for value in _leaves(arguments.get(name), keys=True) if value is not None)
    return frozenset(one for text in texts for one in _named_in(unicodedata.normalize("NFKC", str(text)).casefold()))


def _named_in(text: str) -> Iterator[str]:
    """Yield each of several recipients in one text: those with an '@', or whatever stands between separators."""
    addresses = text.count("@") > 1
    for piece in (_AROUND if addresses else _BETWEEN).split(text):
        name = piece.strip()
        if name and (not addresses or "@" in name):
            yield name


def _leaves(value: JsonValue, *, keys: bool = False) -> Iterator[JsonValue]:
    """Yield the scalars of a value; with ``keys``, also the addresses that stand as keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            if keys and "@" in key:
                yield key
            yield from _leaves(item, keys=keys)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, keys=keys)
    else:
        yield value


def _money(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise DemandError("an amount is not a number")
    text = str(value).strip()
    if isinstance(value, str) and _AMOUNT.fullmatch(text) is None:
        raise DemandError("an amount is not a number in plain digits")
    amount = Decimal(text)
    if not amount.is_finite() or amount < 0 or amount > _MOST // MICRO:
        raise DemandError("an amount is not a number from 0 upwards that can be counted")
    return int((amount * MICRO).to_integral_value(ROUND_CEILING))
