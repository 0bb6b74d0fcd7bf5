"""Finds what can never take part in a decision: such a rule is a mistake, and a mistake in policy is refused.

Invariant: it reports only what is certain; a bundle without a report may still hold a rule that no request meets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, cast

from pydantic import JsonValue

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.policy.conditions import GRANTED_BY, Condition, Group, Leaf
from aisecops_langchain.policy.constraints import Constraint
from aisecops_langchain.policy.model import Bundle, Rule
from aisecops_langchain.policy.operators import Test, build_test
from aisecops_langchain.policy.problems import Problem
from aisecops_langchain.policy.values import EvaluationError

STRONGER = {
    Effect.DENY: frozenset[Effect](),
    Effect.REQUIRE_APPROVAL: frozenset({Effect.DENY}),
    Effect.ALLOW: frozenset({Effect.DENY, Effect.REQUIRE_APPROVAL}),
}
"""Effects that win against an effect."""

_OPPOSITE: Final = {"lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}


def unreachable_rules(bundle: Bundle) -> Iterator[Problem]:
    """Find rules that no call can meet, and rules that stronger unconditional ones always override.

    Args:
        bundle: A bundle whose references are known to be right.

    Yields:
        One problem per such rule.
    """
    targets = {rule.id: bundle.targets(rule) for rule in bundle.rules}
    for index, rule in enumerate(bundle.rules):
        location = ("rules", index)
        if not targets[rule.id]:
            yield Problem(
                location, f"rule {rule.id!r} is unreachable: none of its agents holds a capability for its tools"
            )
            continue
        over = [other for other in bundle.rules if not other.when and other.effect in STRONGER[rule.effect]]
        covering = _covering(targets[rule.id], over, targets)
        if covering:
            yield Problem(location, f"rule {rule.id!r} is unreachable: always overridden by {', '.join(covering)}")


def _covering(
    wanted: frozenset[tuple[str, str]], over: Sequence[Rule], targets: Mapping[str, frozenset[tuple[str, str]]]
) -> list[str]:
    """Ids of the rules that together take every target; empty if some target is left."""
    taking = [rule.id for rule in over if targets[rule.id] & wanted]
    taken = frozenset[tuple[str, str]]().union(*(targets[rule] for rule in taking))
    return sorted(taking) if wanted <= taken else []


def contradiction(condition: Condition) -> str | None:
    """Find a path on which a condition contradicts itself.

    Args:
        condition: A compiled ``when``.

    Returns:
        The path, or nothing if no contradiction is certain.
    """
    return _contradiction(condition, ())


def _contradiction(condition: Condition, given: tuple[Leaf, ...]) -> str | None:
    """Look at what must hold together; alternatives are dead only if every one of them is."""
    together = _conjuncts(condition)
    leaves = (*given, *(part for part in together if isinstance(part, Leaf)))
    for path, group in groupby(sorted(leaves, key=_path), key=_path):
        of_path = list(group)
        if _impossible([leaf.test for leaf in of_path], of_path[0].attribute.closed):
            return path
    for part in together:
        if isinstance(part, Group) and part.text == "any":
            dead = [at for branch in part.parts if (at := _contradiction(branch, leaves)) is not None]
            if len(dead) == len(part.parts):
                return dead[0]
    return None


def _path(leaf: Leaf) -> str:
    return leaf.attribute.path


def condition_implies(given: Condition | None, wanted: Condition | None) -> bool:
    """Tell whether one condition certainly holds, or errs, wherever another one holds.

    Args:
        given: The one that holds; none always does.
        wanted: The one in question; none always holds.

    Returns:
        Whether that is certain; false where it is not known.
    """
    leaves = [] if given is None else _conjuncts(given)
    return wanted is None or all(_implied(part, leaves) for part in _conjuncts(wanted))


def _implied(wanted: Condition, given: Sequence[Condition]) -> bool:
    if isinstance(wanted, Group):
        return wanted.text == "any" and any(
            all(_implied(part, given) for part in _conjuncts(branch)) for branch in wanted.parts
        )
    of_path = [part for part in given if isinstance(part, Leaf) and _path(part) == _path(wanted)]
    tests = [part.test for part in of_path if part.test.operator != GRANTED_BY]  # it asks about more than one value
    if any(_same(test, wanted.test) for test in tests):
        return True
    values = _candidates(tests) or (list(wanted.attribute.closed) if tests else [])
    if values:
        return all(_accepts(wanted.test, value) for value in values if all(_accepts(test, value) for test in tests))
    opposite = _OPPOSITE.get(wanted.test.operator)
    return opposite is not None and bool(tests) and _empty_interval([*tests, build_test(opposite, wanted.test.operand)])


def _same(one: Test, other: Test) -> bool:
    return one.operator == other.operator and canonical_bytes(one.operand) == canonical_bytes(other.operand)


def _conjuncts(condition: Condition) -> list[Condition]:
    if isinstance(condition, Group) and condition.text == "all":
        return [leaf for part in condition.parts for leaf in _conjuncts(part)]
    return [condition]


def impossible_argument(constraints: Iterable[Constraint]) -> str | None:
    """Find an argument that no value can satisfy.

    Args:
        constraints: The constraints of one capability, sorted by argument.

    Returns:
        The argument, or nothing if no contradiction is certain.
    """
    for argument, group in groupby(constraints, key=_argument):
        if _impossible([constraint.test for constraint in group], ()):
            return argument
    return None


def _argument(constraint: Constraint) -> str:
    return constraint.argument


def _impossible(tests: Sequence[Test], closed: Sequence[str]) -> bool:
    absent = [test for test in tests if test.operator == "exists" and test.operand is False]
    if absent:
        return len(absent) < len(tests)  # every other test needs the value
    candidates = _candidates(tests) or list(closed)
    if candidates:
        return not any(all(_accepts(test, value) for test in tests) for value in candidates)
    return _empty_interval(tests) or _bound(tests, "min_length", max) > _bound(tests, "max_length", min)


def _candidates(tests: Sequence[Test]) -> list[JsonValue]:
    """The only values that can pass, where some test lists them."""
    for test in tests:
        if test.operator == "eq":
            return [test.operand]
        if test.operator == "in":
            return cast("list[JsonValue]", test.operand)
    return []


def _accepts(test: Test, value: JsonValue) -> bool:
    try:
        return test.accepts(value)
    except EvaluationError:
        return False


def _empty_interval(tests: Sequence[Test]) -> bool:
    low, high = _bound(tests, "ge", max), _bound(tests, "le", min)
    above, below = _bound(tests, "gt", max), _bound(tests, "lt", min)
    return low > high or above >= high or low >= below or above >= below


def _bound(tests: Sequence[Test], operator: str, pick: Callable[[Iterable[float]], float]) -> float:
    """The tightest operand of one operator: the largest lower bound, or the smallest upper one."""
    unbounded = -math.inf if pick is max else math.inf
    return pick([unbounded, *(cast("float", test.operand) for test in tests if test.operator == operator)])
