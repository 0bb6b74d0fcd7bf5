"""Argument constraints: every one, with values that meet it, break it, or are of another kind."""

from __future__ import annotations

import pytest
from policy_helpers import bundle, codes, request, rule

from aisecops_langchain.errors import PolicyError


def granted(constraint, arguments) -> bool:
    policy = bundle([rule("r")], arguments={"x": constraint})
    return policy.decide(request("act", arguments)).allowed


@pytest.mark.parametrize(
    ("constraint", "good", "bad"),
    [
        ({"min": 0}, [0, 0.0, 5], [-1, -0.001, True, "5", None, [], {}]),
        ({"max": 10}, [10, -5], [10.5, False, "1", None]),
        ({"one_of": ["EUR", "USD"]}, ["EUR"], ["eur", "", None, 1, ["EUR"]]),
        ({"one_of": [1, None]}, [1, 1.0, None], [True, "1", 2]),
        ({"pattern": r"DE\d{2}"}, ["DE12"], ["DE123", "xDE12", "DE12\n", "DE\u0661\u0662", 12, None]),
        ({"pattern": "a.*"}, ["a", "ab"], ["a\nb"]),
        ({"max_length": 2}, ["", "ab", "äö"], ["abc", ["a"], None, 1]),
        ({"min_length": 2}, ["ab"], ["a", None, [1, 2]]),
        ({"max_items": 1}, [[], [1]], [[1, 2], "a", None]),
        ({"equals": "a"}, ["a"], ["b", None, ["a"]]),
        ({"equals": None}, [None], ["b", 0, False]),
        ({"equals": False}, [False], [0, True, None]),
        ({"type": "string"}, ["a"], [1, None, []]),
        ({"type": "integer"}, [1], [1.0, True, "1"]),
        ({"type": "number"}, [1, 1.5], [True, "1"]),
        ({"type": "boolean"}, [True], [1, "true"]),
        ({"type": "array"}, [[1]], [{}, "a"]),
        ({"type": "object"}, [{}], [[], None]),
        ({"type": "null"}, [None], [0, ""]),
        ({"min": 0, "max": 5, "type": "integer"}, [3], [3.5, 6, -1]),
    ],
)
def test_constraint(constraint, good, bad):
    assert all(granted(constraint, {"x": value}) for value in good)
    assert not any(granted(constraint, {"x": value}) for value in bad)
    assert not granted(constraint, {})
    assert not granted(constraint, {"y": good[0]})


def test_other_arguments_are_free():
    assert granted({"min": 0}, {"x": 1, "y": "anything"})


def test_one_held_capability_whose_constraints_hold_is_enough():
    policy = bundle(
        [rule("r")],
        capabilities={
            "a": {"tools": ["act"], "arguments": {"x": {"equals": "a"}}},
            "b": {"tools": ["act"], "arguments": {"x": {"equals": "b"}}},
        },
        agents={"buyer": {"capabilities": ["a", "b"]}},
    )
    assert policy.decide(request("act", {"x": "a"})).capability == "a"
    assert policy.decide(request("act", {"x": "b"})).capability == "b"
    refused = policy.decide(request("act", {"x": "c"}))
    assert codes(refused) == ["argument_constraint"] * 2
    assert [reason.message.partition(":")[0] for reason in refused.reasons] == ["a", "b"]


@pytest.mark.parametrize(
    "constraint",
    [
        {"min": 5, "max": 4},
        {"min_length": 3, "max_length": 2},
        {"equals": 5, "max": 4},
        {"one_of": ["a", "b"], "pattern": "c"},
        {"equals": "a", "type": "integer"},
    ],
)
def test_constraints_that_no_value_can_meet_are_refused(constraint):
    with pytest.raises(PolicyError, match="no value of 'x' can meet all constraints"):
        bundle([rule("r")], arguments={"x": constraint})


def test_a_hostile_value_cannot_make_a_pattern_slow():
    """google-re2 is linear: the classic exponential pattern answers at once."""
    assert not granted({"pattern": "(a+)+b"}, {"x": "a" * 50_000})
