"""Effect profiles, roles of arguments, the task and the ready-made rules, as policy sees them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain.domain.decision import DecisionRequest, Effect
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile
from aisecops_langchain.domain.labels import Integrity
from aisecops_langchain.domain.task import TaskScope, TaskStanding
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import difference, parse_policy
from tests.policy.policy_helpers import bundle, label, request, rule

MAIL = {"effects": ["send"], "targets": ["to", "cc"], "content": ["body"]}
ALLOWED = rule("go", when={"targets.integrity": {"at_least": "first_party"}})


def decide(arguments, labels, *, tools=None, context="untrusted", rules=(ALLOWED,), **more):
    policy = bundle(list(rules), **({"tools": tools} if tools else {}))
    marked = {name: label(level) for name, level in labels.items()}
    asked = request("act", arguments, context=label(context), **more)
    return policy.decide(asked.model_copy(update={"arguments": marked})).effect


@pytest.mark.parametrize(
    ("arguments", "labels", "effect"),
    [
        ({"to": "a", "cc": None, "body": "x"}, {"to": "user", "body": "untrusted"}, Effect.ALLOW),
        ({"to": "a", "cc": "b", "body": "x"}, {"to": "user", "cc": "first_party"}, Effect.ALLOW),
        ({"to": "a", "cc": "b", "body": "x"}, {"to": "user", "cc": "untrusted"}, Effect.DENY),
        ({"to": "a", "cc": "b", "body": "x"}, {"to": "user"}, Effect.DENY),  # an unlabelled target
        ({"to": None, "cc": None, "body": "x"}, {"body": "user"}, Effect.DENY),  # no target at all: the context's
        ({}, {}, Effect.DENY),
    ],
)
def test_a_role_is_as_trusted_as_its_least_trusted_argument(arguments, labels, effect):
    assert decide(arguments, labels, tools={"act": MAIL}) is effect


def test_every_argument_of_an_undeclared_tool_is_a_target():
    assert decide({"to": "a", "body": "x"}, {"to": "user", "body": "user"}) is Effect.ALLOW
    assert decide({"to": "a", "body": "x"}, {"to": "user", "body": "untrusted"}) is Effect.DENY
    assert decide({}, {}) is Effect.DENY


def test_the_bundle_goes_before_the_tools_own_declaration():
    """Code may declare what the bundle leaves open, and never talk it out of anything."""
    own = ToolProfile(effects=(ToolEffect.READ,), targets=("to",))
    deny = rule("no", "deny", when={"tool.effects": {"contains": "send"}})
    arguments, labels = {"to": "a", "body": "x"}, {"to": "user"}
    assert decide(arguments, labels, rules=(ALLOWED, deny)) is Effect.DENY
    assert decide(arguments, labels, rules=(ALLOWED, deny), profile=own) is Effect.ALLOW
    assert decide(arguments, labels, rules=(ALLOWED, deny), tools={"act": MAIL}, profile=own) is Effect.DENY


def test_rules_may_ask_for_reversibility_method_and_task():
    profile = {**MAIL, "reversible": True}
    when = {"tool.reversible": True, "labels.to.method": {"in": ["verbatim", "spelled"]}, "task.in_scope": True}
    inside = TaskStanding(scope="s", tool_in_scope=True, in_scope=True)
    rules = (rule("go", when=when),)
    facts = {"tools": {"act": profile}, "rules": rules}
    assert decide({"to": "a"}, {}, **facts, methods={"to": "verbatim"}, task=inside) is Effect.ALLOW
    assert decide({"to": "a"}, {}, **facts, methods={"to": "field"}, task=inside) is Effect.DENY
    assert decide({"to": "a"}, {}, **facts, task=inside) is Effect.DENY
    assert decide({"to": "a"}, {}, **facts, methods={"to": "verbatim"}) is Effect.DENY


@pytest.mark.parametrize(
    ("context", "secrecy", "effects", "effect"),
    [
        ("untrusted", "confidential", ["send"], Effect.REQUIRE_APPROVAL),
        ("untrusted", "restricted", ["spend", "write"], Effect.REQUIRE_APPROVAL),
        ("untrusted", "internal", ["send"], Effect.ALLOW),
        ("first_party", "confidential", ["send"], Effect.ALLOW),
        ("untrusted", "confidential", ["read"], Effect.ALLOW),
        ("untrusted", "confidential", None, Effect.REQUIRE_APPROVAL),
    ],
)
def test_the_rule_of_two_asks_a_person_where_all_three_meet(context, secrecy, effects, effect):
    tools = {"tools": {"act": {"effects": effects}}} if effects else {}
    policy = bundle([rule("go")], standard_rules=["rule_of_two"], **tools)
    asked = request("act", {}, context=label(context, secrecy))
    assert policy.decide(asked).effect is effect
    assert "standard.rule-of-two" in {item.id for item in policy.explain(asked).rules}
    assert policy.requires_approval_possible()


def test_what_was_not_asked_for_is_denied_or_asked_about():
    scope = TaskScope.of(request="r", tools=("act",), effects=(ToolEffect.WRITE,))
    for outside, effect in (("deny", Effect.DENY), ("require_approval", Effect.REQUIRE_APPROVAL), ("ignore", None)):
        policy = bundle([rule("go")], task_scope={"outside": outside})
        assert policy.asks_task is (effect is not None)
        expected = effect or Effect.ALLOW
        assert policy.decide(request("act")).effect is expected
        assert policy.decide(request("act", task=scope.standing("act", (ToolEffect.SEND,)))).effect is expected
        assert policy.decide(request("act", task=scope.standing("act", (ToolEffect.WRITE,)))).effect is Effect.ALLOW


def test_sections_are_under_the_digest_and_read_back():
    plain = bundle([rule("go")])
    parts = {"tools": {"act": MAIL}, "standard_rules": ["rule_of_two"], "task_scope": {"outside": "deny"}}
    digests = {plain.digest} | {bundle([rule("go")], **{key: value}).digest for key, value in parts.items()}
    assert len(digests) == 4
    whole = bundle([rule("go")], **parts)
    assert parse_policy(whole.bundle_json().decode()).digest == whole.digest


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"tools": {"other": MAIL}}, "unknown tool 'other'"),
        ({"tools": {"act": {"effects": []}}}, "empty"),
        ({"tools": {"act": {**MAIL, "results": {"fields": []}}}}, "empty"),
        ({"tools": {"act": {"effects": ["explode"]}}}, "effects|0"),
        ({"tools": {"act": {**MAIL, "content": ["to"]}}}, "two roles"),
        ({"tools": {"act": {**MAIL, "results": {"integrity": "user"}}}}, "at most first_party"),
        ({"tools": {"act": {**MAIL, "results": {"fields": ["a b"]}}}}, "result path"),
        ({"tools": {"act": {**MAIL, "surprise": 1}}}, "unknown key"),
        ({"tools": {}}, "empty"),
        ({"standard_rules": ["rule_of_three"]}, "standard_rules|0"),
        ({"task_scope": {"outside": "allow"}}, "outside"),
    ],
)
def test_malformed_sections_are_refused(more, match):
    with pytest.raises(PolicyError, match=match):
        bundle([rule("go")], **more)


@pytest.mark.parametrize(
    "when",
    [{"tool.effects": "send"}, {"tool.reversible": "true"}, {"labels.to.method": "luck"}, {"task.in_scope": 1}],
)
def test_conditions_that_cannot_be_meant_are_refused(when):
    with pytest.raises(PolicyError):
        bundle([rule("go", when=when)])


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from(Integrity), max_size=4),
    st.sampled_from(Integrity),
    st.lists(st.sampled_from("abcd"), unique=True, max_size=3),
)
def test_a_decision_is_the_same_from_its_record(labels, context, targets):
    """What is asked survives JSON, so that it can be asked again."""
    profile = {"effects": ["send"], **({"targets": targets} if targets else {})}
    policy = bundle([ALLOWED], tools={"act": profile}, standard_rules=["rule_of_two"])
    marked = {name: label(level) for name, level in labels.items()}
    asked = request("act", dict.fromkeys(labels, "x"), context=label(context))
    own = ToolProfile(effects=(ToolEffect.READ,)) if len(labels) % 2 else None
    asked = asked.model_copy(update={"profile": own, "arguments": marked})
    again = DecisionRequest.model_validate(json.loads(asked.model_dump_json()))
    assert policy.decide(again) == policy.decide(asked)
    if policy.decide(asked).effect is Effect.ALLOW and set(targets) & set(labels):
        assert all(labels[name].rank >= Integrity.FIRST_PARTY.rank for name in targets if name in labels)


def test_a_diff_never_calls_bundles_equal_that_profiles_or_the_task_tell_apart():
    """Roles are not varied, and the answer says so; the task and the method are, and a request is shown."""
    old = bundle([ALLOWED], tools={"act": MAIL})
    other = difference(old, bundle([ALLOWED], tools={"act": {**MAIL, "targets": ["to"]}}))
    assert not other.equal
    assert not other.exhaustive
    assert other.settings == ("tools.act: its effect profile changed",)
    assert difference(old, bundle([ALLOWED], tools={"act": MAIL})).equal
    plain, bound = bundle([rule("go")]), bundle([rule("go")], task_scope={"outside": "deny"})
    shown = difference(plain, bound)
    assert shown.request is not None
    assert not shown.request.task.in_scope
    traced = bundle([rule("go", when={"labels.to.method": {"ne": "field"}})])
    assert difference(plain, traced).request.methods == {"to": "field"}
