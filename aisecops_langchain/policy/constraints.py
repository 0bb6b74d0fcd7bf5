"""Compiles the argument constraints of a capability.

Invariant: a constraint holds only for an argument that is there and of the right kind. Messages name the argument and
the constraint, never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.decision import Reason
from aisecops_langchain.policy.formats import FORMATS
from aisecops_langchain.policy.operators import Test, build_test
from aisecops_langchain.policy.problems import LocatedError, Location, unknown
from aisecops_langchain.policy.values import MISSING, OperandError

_OPERATOR_OF: Final[Mapping[str, str]] = {
    "min": "ge",
    "max": "le",
    "one_of": "in",
    "equals": "eq",
    "pattern": "pattern",
    "max_length": "max_length",
    "min_length": "min_length",
    "max_bytes": "max_bytes",
    "min_items": "min_items",
    "max_items": "max_items",
    "type": "type",
}
_NAMES: Final = (*_OPERATOR_OF, *FORMATS)


@dataclass(frozen=True, slots=True)
class Constraint:
    """One demand on one argument."""

    argument: str
    name: str
    test: Test
    missing: Reason
    violated: Reason

    @property
    def text(self) -> str:
        """The constraint as a reader knows it."""
        return f"{self.argument} {self.name} {canonical_bytes(self.test.operand).decode()}"

    def check(self, arguments: Mapping[str, JsonValue]) -> Reason | None:
        """Check the constraint.

        Args:
            arguments: Arguments of the call.

        Returns:
            The reason to deny, or nothing if it holds.
        """
        value = arguments.get(self.argument, MISSING)
        if value is MISSING:
            return self.missing
        try:
            return None if self.test.accepts(value) else self.violated
        except Exception:  # noqa: BLE001 - whatever a test or a library under it raises, the constraint does not hold
            return self.violated


def compile_constraints(
    capability: str, arguments: Mapping[str, Mapping[str, JsonValue]], location: Location
) -> tuple[Constraint, ...]:
    """Compile all constraints of a capability.

    Args:
        capability: Its name.
        arguments: Constraints by argument.
        location: Where they stand.

    Returns:
        The constraints, in order of argument and name.

    Raises:
        LocatedError: If a constraint is unknown or its operand is not right.
    """
    return tuple(
        _compile(capability, argument, name, operand, (*location, argument, name))
        for argument, constraints in sorted(arguments.items())
        for name, operand in sorted(_some(constraints, (*location, argument)).items())
    )


def _some(constraints: Mapping[str, JsonValue], location: Location) -> Mapping[str, JsonValue]:
    if not constraints:
        raise LocatedError(location, f"expected a constraint: one of {', '.join(_NAMES)}")
    return constraints


def _compile(capability: str, argument: str, name: str, operand: JsonValue, location: Location) -> Constraint:
    if name not in _NAMES:
        fault = unknown("constraint", name, _NAMES)
        raise LocatedError(location, f"{fault}; expected one of {', '.join(_NAMES)}")
    try:
        test = (
            Test(name, operand, FORMATS[name](operand)) if name in FORMATS else build_test(_OPERATOR_OF[name], operand)
        )
    except OperandError as error:
        raise LocatedError(location, f"{argument}.{name}: {error.message}") from error
    return Constraint(
        argument=argument,
        name=name,
        test=test,
        missing=_reason(f"{capability}: argument {argument!r} is missing, and {name} needs it"),
        violated=_reason(f"{capability}: argument {argument!r} violates {name}"),
    )


def _reason(message: str) -> Reason:
    return Reason(code="argument_constraint", message=message)
