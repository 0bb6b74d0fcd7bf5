"""CEL in ``when``: typed at load, errors deny, and the answers are those of the native conditions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_helpers import ask, bundle, codes, label, request, rule
from test_policy_laws import json_values

from aisecops_langchain.domain.labels import Integrity, Source, SourceKind
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import difference


def answer(source: str, arguments=None, **more):
    return ask({"cel": source}, arguments, **more)


@pytest.mark.parametrize(
    ("source", "allowed"),
    [
        ("args.x < 100 && context.integrity == 'user'", True),
        ("args.x < 5", False),
        ("args.x in [5, 7] && tool == 'act' && risk == 'low' && capability == 'do'", True),
        ("labels.x.integrity == 'user' && labels.x.sources.exists(s, s == 'memory')", True),
        ("principal.agent == 'buyer' && principal.tenant == 'acme'", True),
        ("has(args.y) && args.y == 1", False),
        ("args.y == 1 || args.x == 7", True),
    ],
)
def test_an_expression_decides(source, allowed):
    source_label = label(sources=[Source(kind=SourceKind.MEMORY, name="m", digest="d")])
    assert answer(source, {"x": 7}, context=source_label).allowed is allowed


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("args.y == 1", {}),
        ("args.x < 100", {"x": "5"}),
        ("args.x < 100", {"x": None}),
        ("args.x.matches(args.p)", {"x": "a", "p": "("}),
        ("args.x", {"x": "true"}),
        ("args.l.all(i, args.l.all(j, args.l.all(k, i == i)))", {"l": list(range(60))}),
    ],
)
@pytest.mark.parametrize("effect", ["deny", "allow", "require_approval"])
def test_an_expression_without_an_answer_denies_whatever_its_rule_says(effect, source, arguments):
    if source == "args.x":
        source = "args.x == true && args.x.startsWith('t') || dyn(args.x) > 1"
    policy = bundle([rule("open"), rule("erring", effect, when={"cel": source})])
    decision = policy.decide(request("act", arguments))
    assert decision.effect == "deny"
    assert "rule_error" in codes(decision)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("args.x <", "not a sound expression"),
        ("arg.x == 1", "undeclared reference"),
        ("1 + 1", "is not a condition"),
        ("args.x", "is not a condition"),
        ("tool < 5", "not a sound expression"),
        ("", "takes an expression"),
        (5, "takes an expression"),
    ],
)
def test_an_unsound_expression_is_refused_with_its_line(source, said):
    with pytest.raises(PolicyError, match=said) as caught:
        bundle([rule("r", when={"cel": source})])
    assert caught.value.line == 1


@settings(max_examples=200, deadline=None)
@given(x=json_values, level=st.sampled_from(list(Integrity)))
def test_law_an_expression_answers_as_the_native_condition_does(x, level):
    native = {"args.x": {"ge": 1, "lt": 5}, "context.integrity": "user"}
    given_arguments = {"x": x}
    cel = answer("args.x >= 1 && args.x < 5 && context.integrity == 'user'", given_arguments, context=label(level))
    assert cel.allowed == ask(native, given_arguments, context=label(level)).allowed


def test_the_search_for_differences_does_not_claim_to_see_through_an_expression():
    one, two = (bundle([rule("r", when={"cel": f"args.x < {n}"})]) for n in (5, 6))
    found = difference(one, two)
    assert found.request is None
    assert not found.exhaustive
    assert difference(one, one).equal
