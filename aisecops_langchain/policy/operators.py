"""What a condition or a constraint may ask of one value.

Invariant: a test answers true or false only for a value of the kind that it is about; any other kind is an error,
which denies. Numbers are never booleans, and text never equals a number. Patterns must match the full text
(google-re2, linear time), and lengths count characters.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import re2
from pydantic import JsonValue

from aisecops_langchain.policy.values import (
    ARRAY,
    COUNT,
    FLAG,
    JSON_TYPES,
    KINDS,
    NULL,
    NUMBER,
    NUMERIC,
    PART,
    SCALAR,
    SCALARS,
    TEXT,
    TYPE_NAME,
    WORDS,
    Operand,
    OperandError,
    kind_of,
    mismatch,
)

Accepts = Callable[[object], bool]
"""Whether a value passes; raises ``EvaluationError`` for a value of another kind."""


@dataclass(frozen=True, slots=True)
class Test:
    """One operator with its operand."""

    operator: str
    operand: JsonValue
    accepts: Accepts


_LITERAL: Final = re.compile(r"\.\*([\w @:/=,-]+)\.\*", re.ASCII)
"""The one pattern that most rules are written with: some plain text anywhere."""


class _Operator(NamedTuple):
    takes: Operand
    build: Callable[[JsonValue], Accepts]


def build_test(name: str, operand: JsonValue) -> Test:
    """Compile one operator.

    Args:
        name: A name in ``OPERATORS``.
        operand: What the value is compared with.

    Returns:
        The test.

    Raises:
        OperandError: If the operand is not what the operator takes.
    """
    entry = OPERATORS[name]
    if not entry.takes.fits(operand):
        raise OperandError(f"{name} takes {entry.takes.expected}, not {kind_of(operand)}")
    return Test(name, operand, entry.build(operand))


def member_test(members: Iterable[JsonValue]) -> Accepts:
    """Build the test for being equal to one of some scalars.

    Null may be compared with everything; any other comparison across kinds is an error, because an argument of a
    surprising kind must not slip past a rule that was written for another.

    Args:
        members: The scalars.

    Returns:
        The test.
    """
    of_kind: dict[str, set[object]] = {}
    for member in members:
        of_kind.setdefault(kind_of(member), set()).add(member)
    expected = " or ".join(sorted(of_kind))
    comparable = set(KINDS.values()) if of_kind.keys() == {NULL} else of_kind.keys() | {NULL}
    equal_to: dict[type, Container[object]] = {
        # a tuple where nothing is equal, because lists and objects cannot be looked up in a set
        python_type: frozenset(of_kind[kind]) if kind in of_kind else ()
        for python_type, kind in KINDS.items()
        if kind in comparable
    }

    def accepts(value: object) -> bool:
        candidates = equal_to.get(type(value))
        if candidates is None:
            raise mismatch(expected, kind_of(value))
        return value in candidates

    return accepts


def _equal(operand: JsonValue) -> Accepts:
    return member_test([operand])


def _in(operand: JsonValue) -> Accepts:
    return member_test(cast("list[JsonValue]", operand))


def _negated(build: Callable[[JsonValue], Accepts]) -> Callable[[JsonValue], Accepts]:
    def build_negation(operand: JsonValue) -> Accepts:
        accepts = build(operand)
        return lambda value: not accepts(value)

    return build_negation


def _number_test(compare: Callable[[float, float], bool]) -> Callable[[JsonValue], Accepts]:
    def build(operand: JsonValue) -> Accepts:
        bound = cast("float", operand)

        def accepts(value: object) -> bool:
            if type(value) is int or type(value) is float:  # a boolean is not a number
                return compare(value, bound)
            raise mismatch(NUMBER, kind_of(value))

        return accepts

    return build


def _text_test(compare: Callable[[str, str], bool]) -> Callable[[JsonValue], Accepts]:
    def build(operand: JsonValue) -> Accepts:
        part = cast("str", operand)

        def accepts(value: object) -> bool:
            if not isinstance(value, str):
                raise mismatch(TEXT, kind_of(value))
            return compare(value, part)

        return accepts

    return build


def _length_test(kind: str, compare: Callable[[int, int], bool]) -> Callable[[JsonValue], Accepts]:
    def build(operand: JsonValue) -> Accepts:
        bound = cast("int", operand)

        def accepts(value: object) -> bool:
            if not isinstance(value, (str, list)) or KINDS.get(type(value)) != kind:
                raise mismatch(kind, kind_of(value))
            return compare(len(value), bound)

        return accepts

    return build


def _bytes_test(operand: JsonValue) -> Accepts:
    bound = cast("int", operand)

    def accepts(value: object) -> bool:
        if not isinstance(value, str):
            raise mismatch(TEXT, kind_of(value))
        return len(value.encode()) <= bound

    return accepts


def _pattern_test(*, dot_matches_newline: bool) -> Callable[[JsonValue], Accepts]:
    def build(operand: JsonValue) -> Accepts:
        source = cast("str", operand)
        pattern = _compile(source, dot_matches_newline=dot_matches_newline)
        literal = _LITERAL.fullmatch(source) if dot_matches_newline else None
        if literal is not None:
            return _holds_literal(literal[1])

        def accepts(value: object) -> bool:
            if not isinstance(value, str):
                raise mismatch(TEXT, kind_of(value))
            return pattern.fullmatch(value.encode()) is not None

        return accepts

    return build


def _holds_literal(literal: str) -> Accepts:
    """Build the test for ``.*literal.*``: the same answers as the pattern's, without an automaton."""

    def accepts(value: object) -> bool:
        if not isinstance(value, str):
            raise mismatch(TEXT, kind_of(value))
        if not value.isascii():
            value.encode()  # what is not valid Unicode is no answer, here as there
        return literal in value

    return accepts


def _compile(pattern: str, *, dot_matches_newline: bool) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False  # re2 would print the pattern to stderr
    options.dot_nl = dot_matches_newline
    try:
        return re2.compile(pattern.encode(), options)  # UTF-8 both: a str would have its offsets counted back
    except re2.error as error:
        raise OperandError("bad regular expression (google-re2 syntax: no look-around, no back-references)") from error


def _contains(operand: JsonValue) -> Accepts:
    kind = kind_of(operand)
    part = operand if isinstance(operand, str) else None

    def accepts(value: object) -> bool:
        if part is not None and type(value) is str:
            return part in value
        if type(value) is list:
            return any(item == operand and kind_of(item) == kind for item in value)
        if kind != TEXT:
            raise mismatch(ARRAY, kind_of(value))
        if kind_of(value) != TEXT:
            raise mismatch("text or array", kind_of(value))
        return cast("str", operand) in cast("str", value)

    return accepts


def _type(operand: JsonValue) -> Accepts:
    types = JSON_TYPES[cast("str", operand)]
    return lambda value: type(value) in types


def _exists(operand: JsonValue) -> Accepts:
    return lambda _value: operand is True


OPERATORS: Final[Mapping[str, _Operator]] = {
    "eq": _Operator(SCALAR, _equal),
    "ne": _Operator(SCALAR, _negated(_equal)),
    "in": _Operator(SCALARS, _in),
    "not_in": _Operator(SCALARS, _negated(_in)),
    "lt": _Operator(NUMERIC, _number_test(operator.lt)),
    "le": _Operator(NUMERIC, _number_test(operator.le)),
    "gt": _Operator(NUMERIC, _number_test(operator.gt)),
    "ge": _Operator(NUMERIC, _number_test(operator.ge)),
    # a dot takes a newline in a condition, so that a newline cannot carry '.*evil.*' past a deny;
    # it does not in a constraint, because a constraint lists what may pass
    "matches": _Operator(WORDS, _pattern_test(dot_matches_newline=True)),
    "pattern": _Operator(WORDS, _pattern_test(dot_matches_newline=False)),
    "contains": _Operator(PART, _contains),
    "starts_with": _Operator(WORDS, _text_test(str.startswith)),
    "ends_with": _Operator(WORDS, _text_test(str.endswith)),
    "max_length": _Operator(COUNT, _length_test(TEXT, operator.le)),
    "min_length": _Operator(COUNT, _length_test(TEXT, operator.ge)),
    "max_bytes": _Operator(COUNT, _bytes_test),
    "min_items": _Operator(COUNT, _length_test(ARRAY, operator.ge)),
    "max_items": _Operator(COUNT, _length_test(ARRAY, operator.le)),
    "type": _Operator(TYPE_NAME, _type),
    "exists": _Operator(FLAG, _exists),
}
"""Every operator; which of them stand where is said by ``attributes`` (conditions) and ``constraints``."""
