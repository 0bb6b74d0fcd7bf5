"""Finds what can never take part in a decision: such a rule is a mistake, and a mistake in policy is refused.

Invariant: it reports only what is certain; a bundle without a report may still hold a rule that no request meets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import cast

from pydantic import JsonValue

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.policy.conditions import Condition, Group, Leaf
from aisecops_langchain.policy.constraints import Constraint
from aisecops_langchain.policy.model import Bundle, Rule
from aisecops_langchain.policy.operators import Test
from aisecops_langchain.policy.problems import Problem
from aisecops_langchain.policy.values import EvaluationError

_STRONGER = {
    Effect.DENY: frozenset[Effect](),
    Effect.REQUIRE_APPROVAL: frozenset({Effect.DENY}),
    Effect.ALLOW: frozenset({Effect.DENY, Effect.REQUIRE_APPROVAL}),
}


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
        over = [other for other in bundle.rules if not other.when and other.effect in _STRONGER[rule.effect]]
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
