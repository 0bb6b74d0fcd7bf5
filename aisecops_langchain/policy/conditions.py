"""Compiles ``when`` into predicates.

Invariant: a condition that cannot be answered is an error, never false. Combining is Kleene's strong three-valued
logic (Kleene, 1938), so an error counts unless another part settles the answer, and the order of the parts never
matters: ``all`` with a false part is false, ``any`` with a true part is true, whatever else errs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.policy.attributes import Attribute, Facts, resolve
from aisecops_langchain.policy.cel import CEL, compile_cel, variables
from aisecops_langchain.policy.model import Bundle
from aisecops_langchain.policy.operators import OPERATORS, Test, build_test, member_test
from aisecops_langchain.policy.problems import LocatedError, Location, unknown
from aisecops_langchain.policy.values import ABSENT, MISSING, EvaluationError, OperandError, kind_of

_LEVEL_OPERATORS: Final = ("at_least", "at_most")
_WHOLE: Final = ("eq", "ne", "in", "not_in", *_LEVEL_OPERATORS)
"""Operators whose operands are whole values, as opposed to parts or patterns."""

GRANTED_BY: Final = "granted_by"
"""Operator of the condition that an allow for a capability carries unwritten."""

Predicate = Callable[[Facts], bool]
"""Whether a condition holds; raises ``EvaluationError`` where it cannot be answered."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One operator on one attribute."""

    attribute: Attribute
    test: Test
    holds: Predicate

    @property
    def text(self) -> str:
        """The condition as a reader knows it."""
        return f"{self.attribute.path} {self.test.operator} {canonical_bytes(self.test.operand).decode()}"


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions combined by ``all``, ``any`` or ``not``."""

    text: str
    parts: tuple[Condition, ...]
    holds: Predicate


Condition = Leaf | Group


def compile_when(when: JsonValue, location: Location, bundle: Bundle) -> Condition:
    """Compile a mapping of conditions that must all hold.

    Args:
        when: The mapping.
        location: Where it stands.
        bundle: Supplies the known names.

    Returns:
        The condition.

    Raises:
        LocatedError: If an attribute, operator or operand is not right.
    """
    if not isinstance(when, dict) or not when:
        raise LocatedError(location, "expected a mapping of conditions that is not empty")
    return all_of([part for key, value in when.items() for part in _entry(key, value, (*location, key), bundle)])


def all_of(parts: list[Condition]) -> Condition:
    """Combine conditions so that all must hold.

    Args:
        parts: At least one condition.

    Returns:
        The combination; a single part stands for itself.
    """
    return parts[0] if len(parts) == 1 else Group("all", tuple(parts), _settled_by(parts, answer=False))


def _entry(key: str, value: JsonValue, location: Location, bundle: Bundle) -> list[Condition]:
    if key in ("all", "any"):
        if not isinstance(value, list) or not value:
            raise LocatedError(location, f"{key} takes a list of mappings that is not empty")
        parts = [compile_when(item, (*location, index), bundle) for index, item in enumerate(value)]
        return [all_of(parts) if key == "all" else Group("any", tuple(parts), _settled_by(parts, answer=True))]
    if key == "not":
        part = compile_when(value, location, bundle)
        return [Group("not", (part,), _negated(part.holds))]
    if key == CEL:
        return [_cel(value, location)]
    attribute = resolve(key, location, bundle)
    if not isinstance(value, dict):
        return [_leaf(attribute, "eq", value, location)]
    if not value:
        raise LocatedError(location, "expected an operator, such as eq")
    return [_leaf(attribute, name, operand, (*location, name)) for name, operand in value.items()]


def _cel(source: JsonValue, location: Location) -> Leaf:
    try:
        answers = compile_cel(source)
    except OperandError as error:
        raise LocatedError(location, error.message) from error
    attribute = Attribute(CEL, variables, frozenset())
    test = Test(CEL, source, answers)
    return Leaf(attribute, test, _predicate(attribute, test))


def _leaf(attribute: Attribute, name: str, operand: JsonValue, location: Location) -> Leaf:
    if name not in attribute.operators:
        known = {*OPERATORS, *_LEVEL_OPERATORS}
        fault = f"operator {name} does not fit {attribute.path}" if name in known else unknown("operator", name, known)
        raise LocatedError(location, f"{fault}; expected one of {', '.join(sorted(attribute.operators))}")
    _require_known(attribute, name, operand, location)
    try:
        test = _level_test(attribute, name, operand) or build_test(name, operand)
    except OperandError as error:
        raise LocatedError(location, f"{attribute.path}: {error.message}") from error
    return Leaf(attribute, test, _predicate(attribute, test))


def _require_known(attribute: Attribute, name: str, operand: JsonValue, location: Location) -> None:
    """Refuse a comparison with a value that the attribute can never take: it would be a typo."""
    if attribute.optional or (attribute.closed and name not in _WHOLE):
        return
    for value in operand if isinstance(operand, list) else [operand]:
        if attribute.flag and not isinstance(value, bool):
            raise LocatedError(location, f"{attribute.path} is true or false, without quotes")
        if not attribute.flag and name in (*_WHOLE, "contains") and not isinstance(value, str):
            raise LocatedError(location, f"{attribute.path} is always text; put the value of {name} in quotes")
        if attribute.values and value not in attribute.values:
            raise LocatedError(location, unknown(f"value of {attribute.path}", str(value), attribute.values))


def _level_test(attribute: Attribute, name: str, operand: JsonValue) -> Test | None:
    if name not in _LEVEL_OPERATORS:
        return None
    if not isinstance(operand, str):
        raise OperandError(f"{name} takes one level, not {kind_of(operand)}")
    rank = attribute.values.index(operand)
    levels = attribute.values[rank:] if name == "at_least" else attribute.values[: rank + 1]
    return Test(name, operand, member_test(levels))


def _predicate(attribute: Attribute, test: Test) -> Predicate:
    read, accepts, path, argument = attribute.read, test.accepts, attribute.path, attribute.argument
    if test.operator == "exists":
        return lambda facts: (read(facts) is not MISSING) is test.operand

    def holds(facts: Facts) -> bool:
        try:
            return accepts(read(facts))
        except Exception as error:
            raise _unanswered(path, error) from error

    def holds_for_argument(facts: Facts) -> bool:  # most conditions are of this kind, and one call less counts
        try:
            return accepts(facts.arguments.get(argument, MISSING))  # type: ignore[arg-type]
        except Exception as error:
            raise _unanswered(path, error) from error

    return holds if argument is None else holds_for_argument


def _unanswered(path: str, error: Exception) -> EvaluationError:
    """Whatever a reader, an operator or a pattern raises means 'no answer', in any order of parts."""
    if isinstance(error, EvaluationError):
        return EvaluationError(f"{path}{'' if error.message == ABSENT else ':'} {error.message}")
    return EvaluationError(f"{path}: {type(error).__name__}")


def _settled_by(parts: list[Condition], *, answer: bool) -> Predicate:
    """Combine parts of which one that answers ``answer`` settles the whole: false for all, true for any."""
    predicates = tuple(part.holds for part in parts)

    def holds(facts: Facts) -> bool:
        fault: EvaluationError | None = None
        for predicate in predicates:
            try:
                if predicate(facts) is answer:
                    return answer
            except EvaluationError as error:
                fault = error
        if fault is not None:
            raise fault
        return not answer

    return holds


def _negated(predicate: Predicate) -> Predicate:
    return lambda facts: not predicate(facts)
