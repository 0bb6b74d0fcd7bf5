"""Values that tell two policies apart: for every predicate on one attribute, values on both sides of it.

Invariant: a set of witnesses is called complete only if every combination of answers that some value could give is
given by a witness. Numbers and enumerations are cut into finitely many classes, each with a witness; where text is
asked about its parts, a set is complete only if all combinations of answers were in fact met.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from typing import Final, NamedTuple, cast

from pydantic import JsonValue

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.policy.operators import Test
from aisecops_langchain.policy.patterns import sample
from aisecops_langchain.policy.values import MISSING, NUMBER, kind_of

_WHOLE: Final = frozenset({"eq", "ne", "in", "not_in", "lt", "le", "gt", "ge", "exists", "type", "at_least", "at_most"})
_SIZES: Final = frozenset({"max_items", "min_items"})
_LENGTHS: Final = frozenset({"max_length", "min_length"})
_LONGEST: Final = 100_000
"""Longer texts are not made."""
_FRESH: Final = "another value"
_MOST_PARTS: Final = 10
"""With more predicates on parts of one text, their combinations are not tried."""


class Witnesses(NamedTuple):
    """Values of one attribute, one for each combination of answers."""

    values: tuple[object, ...]
    """JSON values, and ``MISSING`` where the attribute may be absent."""
    complete: bool


def witnesses(tests: Iterable[Test], *, optional: bool = True) -> Witnesses:
    """Find values that answer the tests in every way.

    Args:
        tests: All that is asked of the attribute by either policy.
        optional: Whether it may be absent and of any kind; if not, it is text.

    Returns:
        The values.
    """
    distinct = list({(test.operator, canonical_bytes(test.operand)): test for test in tests}.values())
    parts = [test for test in distinct if test.operator not in _WHOLE | _SIZES]
    found: dict[tuple[object, ...], object] = {}
    for value in _pool(distinct, parts):
        if optional or isinstance(value, str):
            found.setdefault(_answers(distinct, value), value)
    return Witnesses(tuple(found.values()), complete=_is_complete(parts, distinct, list(found.values())))


def _answers(tests: Sequence[Test], value: object) -> tuple[object, ...]:
    """Absent values are their own class, because a condition on a field inside them asks for more than the tests."""
    return (value is MISSING, *(_answer(test, value) for test in tests))


def _answer(test: Test, value: object) -> bool | None:
    if value is MISSING:
        return None
    try:
        return test.accepts(value)
    except Exception:  # noqa: BLE001 - whatever it raises is 'no answer', as in a decision
        return None


def _is_complete(parts: Sequence[Test], tests: Sequence[Test], found: Sequence[object]) -> bool:
    if all(test.operator in _LENGTHS and cast("int", test.operand) < _LONGEST for test in parts):
        return True
    if any(test.operator in ("schema", "contains") for test in parts):  # they look into lists and objects
        return False
    listed = {operand for test in tests if test.operator in _WHOLE for operand in _texts(test.operand)}
    met = {
        tuple(_answer(test, value) for test in parts)
        for value in found
        if isinstance(value, str) and value not in listed
    }
    lists = any(test.operator in _FORMATS for test in parts)
    return not lists and len(met) == 2 ** len(parts)


def _pool(tests: Sequence[Test], parts: Sequence[Test]) -> Iterator[object]:
    yield from (MISSING, None, True, False, [], {}, _FRESH)
    for test in tests:
        yield from test.operand if isinstance(test.operand, list) and test.operator in _WHOLE else [test.operand]
        if test.operator in _SIZES:
            size = min(cast("int", test.operand), 10_000)
            yield from ([None] * count for count in (max(size - 1, 0), size, size + 1))
    yield from _numbers(tests)
    yield from _spellings(parts)


def _numbers(tests: Sequence[Test]) -> Iterator[object]:
    """Every bound, and an integer and a fraction in every gap between bounds."""
    operands = [item for test in tests for item in (test.operand if isinstance(test.operand, list) else [test.operand])]
    bounds = sorted({cast("float", item) for item in operands if kind_of(item) == NUMBER}) or [0]
    yield from (value for bound in bounds for value in (bound, float(bound)))
    yield from (math.floor(bounds[0]) - 1, bounds[0] - 0.5, math.ceil(bounds[-1]) + 1, bounds[-1] + 0.5)
    for bound in bounds:
        yield from (math.nextafter(bound, -math.inf), math.nextafter(bound, math.inf))
    for low, high in pairwise(bounds):
        yield low + (high - low) / 2
        yield from (value for value in (math.floor(low) + 1, math.ceil(high) - 1) if low < value < high)


def _texts(operand: JsonValue) -> list[str]:
    items = operand if isinstance(operand, list) else [operand]
    return [item for item in items if isinstance(item, str)]


def _spellings(parts: Sequence[Test]) -> Iterator[str]:
    """Texts that meet some of the tests on parts, and joints of them."""
    if not parts:
        return
    pieces = list(dict.fromkeys(piece for test in parts[:_MOST_PARTS] for piece in _pieces(test)))[:24]
    yield from pieces
    for first, second in product(pieces, repeat=2):
        yield first + second
        yield first + _FRESH + second
    sizes = [cast("int", test.operand) for test in parts if test.operator in ("max_length", "min_length", "max_bytes")]
    for size in (count for given in sizes if given < _LONGEST for count in (given - 1, given, given + 1) if count >= 0):
        for piece in ("", *pieces):
            yield (piece + "x" * size)[:size] if len(piece) <= size else piece
            yield ("x" * max(size - len(piece), 0)) + piece


def _pieces(test: Test) -> Iterator[str]:
    operand = test.operand
    if test.operator in ("matches", "pattern"):
        yield from sample(cast("str", operand))
    elif test.operator in _FORMATS:
        yield from _FORMATS[test.operator](operand)
    elif isinstance(operand, str):
        yield operand


def _path_under(operand: JsonValue) -> Iterator[str]:
    yield from (f"{root.rstrip('/')}/x" for root in _texts(operand))


def _email(operand: JsonValue) -> Iterator[str]:
    yield from (f"a@{domain.replace('*', 'x')}" for domain in _texts(operand))


def _url(operand: JsonValue) -> Iterator[str]:
    options = cast("dict[str, JsonValue]", operand)
    ports = options.get("ports")
    for scheme, host in product(_texts(options.get("schemes", "https")), _texts(options["hosts"])):
        name = "example.com" if host == "*" else host.replace("*", "x")
        shown = f"[{name}]" if ":" in name else name
        yield from (f"{scheme}://{shown}:{port}/" for port in (ports if isinstance(ports, list) else []))
        yield f"{scheme}://{shown}/"


def _sql(operand: JsonValue) -> Iterator[str]:
    options = cast("dict[str, JsonValue]", operand)
    shapes = {"select": "select a from {}", "insert": "insert into {} (a) values (1)", "update": "update {} set a = 1"}
    for kind, table in product(_texts(options["kinds"]), _texts(options["tables"])):
        yield shapes.get(kind, "delete from {}").format(table)


def _amounts(operand: JsonValue) -> Iterator[str]:
    options = cast("dict[str, JsonValue]", operand)
    currencies = _texts(options.get("currencies", []))
    for bound in _texts([options["min"], options["max"], "0", "1"]):
        yield from (f"{currency} {bound}" for currency in currencies)
        if not currencies:
            yield bound


_FORMATS: Final[Mapping[str, Callable[[JsonValue], Iterator[str]]]] = {
    "path_under": _path_under,
    "email_domain": _email,
    "url": _url,
    "shell_words": lambda operand: iter(_texts(operand)),
    "sql": _sql,
    "decimal": _amounts,
    "money": _amounts,
}
