"""Rules that could never take part in a decision are refused; rules that could are not."""

from __future__ import annotations

import pytest
from policy_helpers import PROCUREMENT, ask, bundle, rule

from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import parse_policy

AGENTS = {"a": {"capabilities": ["do"]}, "b": {"capabilities": ["do"]}, "c": {"capabilities": []}}


def refused(rules, **more) -> str:
    with pytest.raises(PolicyError) as caught:
        bundle(rules, **more)
    return str(caught.value)


def test_a_rule_that_no_agent_can_meet():
    message = refused([rule("fine"), rule("lost", agents=["c"])], agents=AGENTS)
    assert "rule 'lost' is unreachable: none of its agents holds a capability" in message
    assert "fine" not in message


def test_a_rule_for_a_capability_that_nobody_holds():
    capabilities = {"do": {"tools": ["act"]}, "other": {"tools": ["act", "more"]}}
    lost = {"id": "lost", "effect": "allow", "capabilities": ["other"]}
    assert "rule 'lost' is unreachable" in refused([rule("fine"), lost], capabilities=capabilities)


@pytest.mark.parametrize(
    ("weak", "strong"), [("allow", "deny"), ("allow", "require_approval"), ("require_approval", "deny")]
)
def test_a_rule_that_an_unconditional_one_overrides(weak, strong):
    weaker, stronger = rule("weak", weak, when={"args.x": 1}), rule("strong", strong)
    for rules in ([weaker, stronger], [stronger, weaker]):
        assert "rule 'weak' is unreachable: always overridden by strong" in refused(rules)


def test_an_unconditional_star_overrides():
    assert "overridden by strong" in refused([rule("weak"), {**rule("strong", "deny"), "tools": ["*"]}])


def test_several_rules_may_override_together():
    rules = [rule("weak"), rule("no-a", "deny", agents=["a"]), rule("no-b", "deny", agents=["b"])]
    assert "always overridden by no-a, no-b" in refused(rules, agents=AGENTS)


def test_what_is_overridden_only_in_part_or_sometimes_is_fine():
    bundle([rule("weak"), rule("strong", "deny", agents=["a"])], agents=AGENTS)
    bundle([rule("weak"), rule("strong", "deny", when={"args.x": 1})])
    capabilities = {"do": {"tools": ["act", "look"]}}
    bundle([{**rule("weak"), "tools": ["act", "look"]}, rule("strong", "deny")], capabilities=capabilities)


def test_a_deny_is_never_superfluous():
    bundle([rule("one", "deny"), rule("two", "deny", when={"args.x": 1})])


@pytest.mark.parametrize(
    "when",
    [
        {"args.x": {"lt": 5, "gt": 10}},
        {"args.x": {"lt": 5, "ge": 5}},
        {"args.x": {"le": 5, "gt": 5}},
        {"args.x": {"lt": 5, "gt": 5}},
        {"args.x": {"eq": 5, "lt": 5}},
        {"args.x": {"eq": "a", "ne": "a"}},
        {"args.x": {"in": ["a", "b"], "not_in": ["b", "a"]}},
        {"args.x": {"eq": "a", "starts_with": "b"}},
        {"args.x": {"exists": False, "lt": 5}},
        {"args.x": {"exists": False}, "all": [{"args.x": {"exists": True}}]},
        {"args.x": {"min_length": 5, "max_length": 4}},
        {"args.x": 1, "all": [{"args.x": 2}]},
        {"args.x": 1, "any": [{"args.x": 2}, {"args.x": {"gt": 3}}]},
        {"context.integrity": {"at_least": "user", "at_most": "untrusted"}},
        {"labels.x.integrity": {"eq": "user", "ne": "user"}},
        {"risk": {"ne": "low"}, "all": [{"risk": "low"}]},
        {"principal.tenant": {"in": ["a"], "ne": "a"}},
        {"any": [{"args.y": {"lt": 1, "gt": 2}}]},
    ],
)
def test_a_condition_that_contradicts_itself(when):
    with pytest.raises(PolicyError, match="contradict each other"):
        ask(when)


@pytest.mark.parametrize(
    "when",
    [
        {"args.x": {"lt": 10, "gt": 5}},
        {"args.x": {"le": 5, "ge": 5}},
        {"args.x": {"in": [1, 2], "ne": 2}},
        {"args.x": {"exists": True, "lt": 5}},
        {"args.x": 1, "args.y": 2},
        {"args.x": 1, "not": {"args.x": 2}},
        {"args.x": 1, "any": [{"args.x": 2}, {"args.y": 3}]},
        {"context.integrity": {"at_least": "user", "ne": "system"}},
        {"context.sources": {"contains": "memory"}, "all": [{"context.sources": {"contains": "skill"}}]},
    ],
)
def test_a_condition_that_can_hold(when):
    ask(when)


def test_the_line_is_the_rules_own():
    text = PROCUREMENT + "  - id: never\n    effect: deny\n    agents: [idle]\n    tools: [pay_invoice]\n"
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    assert caught.value.line == PROCUREMENT.count("\n") + 1
