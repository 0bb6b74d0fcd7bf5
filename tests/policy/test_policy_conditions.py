"""Every operator and attribute: when it holds, when not, and when it cannot be answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_helpers import ask, bundle, label, request, rule

from aisecops_langchain.domain.labels import Confidentiality, Integrity, Source, SourceKind

YES, NO, ERR = "rule", "default_deny", "rule_error"


def answer(when, arguments=None, **more) -> str:
    return ask(when, arguments, **more).reasons[0].code


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        (5, 5, YES),
        (5, 5.0, YES),
        (5, 6, NO),
        (5, "5", ERR),
        (1, True, ERR),
        (True, True, YES),
        (True, 1, ERR),
        ("a", "a", YES),
        ("a", ["a"], ERR),
        ("a", {"a": 1}, ERR),
        ("a", None, NO),
        ({"eq": None}, None, YES),
        ({"eq": None}, "x", NO),
        ({"eq": None}, [1], NO),
        ({"ne": None}, {"x": 1}, YES),
        ({"ne": "a"}, "b", YES),
        ({"ne": "a"}, "a", NO),
        ({"ne": "a"}, 5, ERR),
        ({"in": ["a", "b"]}, "b", YES),
        ({"in": ["a", "b"]}, "c", NO),
        ({"in": ["a", 1]}, 1, YES),
        ({"in": ["a", 1]}, True, ERR),
        ({"not_in": ["a"]}, "b", YES),
        ({"not_in": ["a"]}, "a", NO),
        ({"not_in": ["a"]}, ["a"], ERR),
        ({"lt": 5}, 4.9, YES),
        ({"lt": 5}, 5, NO),
        ({"le": 5}, 5, YES),
        ({"gt": 5}, 5, NO),
        ({"ge": 5}, 5, YES),
        ({"lt": 5}, True, ERR),
        ({"lt": 5}, "4", ERR),
        ({"lt": 5}, None, ERR),
        ({"gt": 9007199254740992}, 9007199254740993, YES),
        ({"matches": "a+"}, "aaa", YES),
        ({"matches": "a+"}, "aaab", NO),
        ({"matches": "a+"}, "aaa\n", NO),
        ({"matches": "a+"}, 5, ERR),
        ({"matches": ".*evil.*"}, "\n evil \n", YES),
        ({"matches": ".*evil.*"}, "e\u0301vil evi", NO),
        ({"matches": ".*evil.*"}, 5, ERR),
        ({"matches": ".*e.il.*"}, "e.il", YES),
        ({"matches": ".*e.il.*"}, "evil", YES),
        ({"matches": ".*"}, "aé😀", YES),
        ({"contains": "b"}, "abc", YES),
        ({"contains": "x"}, "abc", NO),
        ({"contains": "b"}, ["a", "b"], YES),
        ({"contains": "b"}, ["ab"], NO),
        ({"contains": 1}, [True], NO),
        ({"contains": 1}, [1.0], YES),
        ({"contains": 1}, "1", ERR),
        ({"contains": "b"}, {"b": 1}, ERR),
        ({"starts_with": "ab"}, "abc", YES),
        ({"starts_with": "b"}, "abc", NO),
        ({"ends_with": "bc"}, "abc", YES),
        ({"ends_with": "b"}, ["b"], ERR),
        ({"max_length": 3}, "äöü", YES),
        ({"max_length": 3}, "abcd", NO),
        ({"max_length": 3}, ["a"], ERR),
        ({"min_length": 2}, "ab", YES),
        ({"min_length": 2}, "a", NO),
        ({"exists": True}, None, YES),
        ({"exists": False}, None, NO),
    ],
)
def test_operator(condition, value, expected):
    assert answer({"args.x": condition}, {"x": value}) == expected


@pytest.mark.parametrize("condition", [5, {"ne": 5}, {"not_in": [1]}, {"lt": 5}, {"matches": "a"}, {"contains": "a"}])
def test_a_missing_argument_is_an_error(condition):
    assert answer({"args.x": condition}, {}) == ERR
    assert answer({"environment.x": condition}, {}) == ERR


def test_exists_answers_for_missing_arguments():
    assert answer({"args.x": {"exists": False}}, {}) == YES
    assert answer({"args.x": {"exists": True}}, {}) == NO


def test_exists_guards_the_other_operators():
    when = {"any": [{"args.x": {"exists": False}}, {"args.x": {"lt": 5}}]}
    assert [answer(when, arguments) for arguments in ({}, {"x": 1}, {"x": 9})] == [YES, YES, NO]


def test_nested_arguments():
    when = {"args.a.b": 1}
    assert answer(when, {"a": {"b": 1}}) == YES
    assert answer(when, {"a": {}}) == ERR
    assert answer(when, {"a": None}) == ERR
    assert answer({"args.a.b": {"exists": False}}, {"a": None}) == YES


def test_a_list_does_not_pass_for_an_object_without_the_key():
    """Wrapping an object in a list must not turn ``exists: false`` true."""
    assert answer({"args.a.admin": {"exists": False}}, {"a": [{"admin": True}]}) == ERR


@pytest.mark.parametrize("level", list(Integrity))
@pytest.mark.parametrize("bound", list(Integrity))
def test_integrity_by_rank(level, bound):
    context = label(integrity=level)
    at_least = answer({"context.integrity": {"at_least": bound.value}}, context=context)
    at_most = answer({"context.integrity": {"at_most": bound.value}}, context=context)
    assert at_least == (YES if level.rank >= bound.rank else NO)
    assert at_most == (YES if level.rank <= bound.rank else NO)


@pytest.mark.parametrize("level", list(Confidentiality))
@pytest.mark.parametrize("bound", list(Confidentiality))
def test_confidentiality_by_rank(level, bound):
    context = label(confidentiality=level)
    at_most = answer({"context.confidentiality": {"at_most": bound.value}}, context=context)
    assert at_most == (YES if level.rank <= bound.rank else NO)


def test_argument_label_and_its_fallback_to_the_context():
    when = {"labels.x.integrity": "user"}
    policy = bundle([rule("only", when=when)])
    untrusted = label("untrusted")
    labelled = request("act", {"x": 1}, context=untrusted).model_copy(update={"arguments": {"x": label("user")}})
    unlabelled = request("act", {"x": 1}, context=untrusted)
    assert policy.decide(labelled).allowed
    assert not policy.decide(unlabelled).allowed


def test_sources():
    source = Source(kind=SourceKind.RETRIEVAL_CHUNK, name="doc", digest="d")
    context = label(sources=[source])
    for path in ("context.sources", "labels.x.sources"):
        assert answer({path: {"contains": "retrieval_chunk"}}, {"x": 1}, context=context) == YES
        assert answer({path: {"contains": "memory"}}, {"x": 1}, context=context) == NO


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"principal.user": "alice"}, YES),
        ({"principal.user": {"ne": "alice"}}, NO),
        ({"principal.tenant": {"in": ["acme", "other"]}}, YES),
        ({"principal.agent": "buyer"}, YES),
        ({"tool": "act"}, YES),
        ({"tool": {"starts_with": "a"}}, YES),
        ({"risk": "low"}, YES),
        ({"risk": {"in": ["high", "critical"]}}, NO),
        ({"capability": "do"}, YES),
    ],
)
def test_facts_about_the_call(when, expected):
    assert answer(when) == expected


def test_environment():
    when = {"environment.stage": "prod", "environment.window.open": True}
    assert answer(when, environment={"stage": "prod", "window": {"open": True}}) == YES
    assert answer(when, environment={"stage": "prod", "window": {"open": False}}) == NO


TRUE, FALSE, ERROR = {"args.x": 1}, {"args.x": 2}, {"args.absent": 1}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"any": [TRUE, ERROR]}, YES),
        ({"any": [ERROR, TRUE]}, YES),
        ({"any": [FALSE, ERROR]}, ERR),
        ({"any": [FALSE]}, NO),
        ({"all": [FALSE, ERROR]}, NO),
        ({"all": [ERROR, FALSE]}, NO),
        ({"all": [TRUE, ERROR]}, ERR),
        ({"all": [TRUE, TRUE]}, YES),
        ({"not": FALSE}, YES),
        ({"not": TRUE}, NO),
        ({"not": ERROR}, ERR),
        ({"not": {"args.x": 1, "args.y": 9}}, YES),
        ({"any": [{"all": [TRUE, {"not": FALSE}]}, FALSE]}, YES),
    ],
)
def test_combinators_are_three_valued_and_without_order(when, expected):
    assert answer(when, {"x": 1, "y": 2}) == expected


@given(value=st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False))
def test_comparisons_agree_with_arithmetic(value):
    arguments = {"x": value}
    assert (answer({"args.x": {"lt": 10}}, arguments) == YES) is (value < 10)
    assert (answer({"args.x": {"ge": 10}}, arguments) == YES) is (value >= 10)


@given(value=st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), st.lists, max_leaves=4))
def test_ne_is_never_true_where_eq_is_and_errs_where_eq_errs(value):
    eq, ne = (answer({"args.x": {operator: "a"}}, {"x": value}) for operator in ("eq", "ne"))
    assert {eq, ne} in ({YES, NO}, {ERR})
