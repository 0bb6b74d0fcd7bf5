"""Policy as software: what a sound bundle may still have wrong, its test cases, and what tells two bundles apart."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_helpers import PROCUREMENT, bundle, label, request, rule
from test_policy_laws import AGENTS, build, rules

from aisecops_langchain.domain.labels import Integrity
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import Severity, difference, find, parse_cases, parse_policy, run_case

TWO_TOOLS = {"do": {"tools": ["act", "look"]}, "spare": {"tools": ["act"]}}


@pytest.mark.parametrize(
    ("allow_when", "deny_when", "shadowed"),
    [
        ({"args.x": {"lt": 5}}, {"args.x": {"lt": 10}}, True),
        ({"args.x": {"lt": 10}}, {"args.x": {"lt": 5}}, False),
        ({"args.x": {"lt": 5}}, {"args.x": {"le": 5}}, True),
        ({"args.x": {"le": 5}}, {"args.x": {"lt": 5}}, False),
        ({"args.x": 3, "args.y": 1}, {"args.x": {"in": [3, 4]}}, True),
        ({"args.x": {"in": [3, 4, 5]}}, {"args.x": {"in": [3, 4]}}, False),
        ({"context.integrity": "untrusted"}, {"context.integrity": {"at_most": "first_party"}}, True),
        ({"args.x": {"matches": "a.*"}, "args.y": 1}, {"args.x": {"matches": "a.*"}}, True),
        ({"args.x": 1}, {"any": [{"args.y": 1}, {"args.x": {"gt": 0}}]}, True),
        ({"args.x": 1}, {"args.y": 1}, False),
        ({"any": [{"args.x": 1}, {"args.x": 2}]}, {"args.x": 1}, False),
    ],
)
def test_a_rule_that_a_stronger_one_always_overrides_is_an_error(allow_when, deny_when, shadowed):
    policy = bundle([rule("a", when=allow_when), rule("d", "deny", when=deny_when)])
    found = [(item.severity, item.subject) for item in find(policy) if item.code == "shadowed_rule"]
    assert found == ([(Severity.ERROR, "a")] if shadowed else [])


def test_an_unwritten_grant_implies_nothing_about_the_capability():
    items = [{"id": "a", "effect": "allow", "capabilities": ["more"], "when": {"capability": "more"}}]
    items.append({"id": "d", "effect": "deny", "tools": ["*"], "when": {"capability": "do"}})
    assert not [item for item in find(build(items)) if item.code == "shadowed_rule"]


def test_what_has_no_effect_is_told():
    agents = {"buyer": {"capabilities": ["do"]}, "idle": {"capabilities": []}}
    policy = bundle([rule("a"), rule("d", "deny", tools=["look"])], capabilities=TWO_TOOLS, agents=agents)
    found = {(item.code, item.subject) for item in find(policy)}
    assert found == {("unheld_capability", "spare"), ("uncovered_tool", "look"), ("powerless_agent", "idle")}
    assert not find(bundle([rule("a")]))


@settings(max_examples=100, deadline=None)
@given(items=rules(), x=st.sampled_from([0, 1, 5, 7, "a", None, True]), level=st.sampled_from(list(Integrity)))
def test_law_a_shadowed_rule_never_decides(items, x, level):
    policy = build(items)
    if policy is None:
        return
    shadowed = {item.subject for item in find(policy) if item.code == "shadowed_rule"}
    for agent, tool in itertools.product(AGENTS, ["act", "look"]):
        decision = policy.decide(request(tool, {"x": x}, agent=agent, context=label(level)))
        for name in shadowed & set(decision.rules):
            assert policy.effect_of(name) is not decision.effect


CASES = """\
cases:
  - name: small is allowed
    agent: buyer
    tool: pay_invoice
    args: {amount: 5, iban: DE11111111111111111111}
    context: {integrity: user}
    expect: allow
    rule: small
  - name: tainted is refused
    agent: buyer
    tool: pay_invoice
    args: {amount: 5, iban: DE11111111111111111111}
    context: {integrity: user}
    labels: {iban: {integrity: untrusted, sources: [tool_result]}}
    expect: deny
    rule: tainted
  - name: a wrong account is refused
    agent: buyer
    tool: pay_invoice
    args: {amount: 5, iban: X}
    expect: deny
    code: argument_constraint
"""


def test_cases_pass_only_if_effect_rule_and_code_are_as_expected():
    policy = parse_policy(PROCUREMENT)
    assert [run_case(policy, case).faults for case in parse_cases(CASES)] == [(), (), ()]
    for old, new, fault in [
        ("expect: allow", "expect: deny", "expected deny, got allow"),
        ("rule: tainted", "rule: small", "expected rule 'small' to decide, got tainted"),
        ("code: argument_constraint", "code: default_deny", "expected reason 'default_deny', got argument_constraint"),
    ]:
        faults = [fault for case in parse_cases(CASES.replace(old, new)) for fault in run_case(policy, case).faults]
        assert faults == [fault]


BOUNDED = """\
version: 1
id: bounded
agents: {buyer: {capabilities: [pay]}}
capabilities: {pay: {tools: [pay], risk: high}}
tools: {pay: {effects: [spend], targets: [to], amounts: [amount]}}
rules:
  - {id: asked, effect: allow, tools: [pay], when: {task.in_scope: true, labels.to.method: verbatim}}
budgets:
  money: {measure: spend, limit: 100}
  people: {measure: recipients, limit: 1}
chain_risk: {approval_at: 19.5, halt_at: 40}
"""


@pytest.mark.parametrize(
    ("more", "effect", "code"),
    [
        ("{}", "allow", "rule"),
        ("usage: {used: {money: 89.5}}", "allow", "rule"),
        ("usage: {used: {money: 90.5}}", "deny", "budget_exceeded"),
        ("usage: {used: {people: 1}}", "deny", "budget_exceeded"),
        ("usage: {used: {people: 1}, fresh: {people: 0}, worst: high}", "require_approval", "chain_risk"),
        ("usage: {risk: 9.6, worst: high}", "require_approval", "chain_risk"),
        ("usage: {risk: 30.5, worst: low}", "deny", "chain_halted"),
        ("task: {in_scope: false}", "deny", "default_deny"),
        ("methods: {to: context}", "deny", "default_deny"),
    ],
)
def test_a_case_may_set_whatever_a_decision_depends_on(more, effect, code):
    policy = parse_policy(BOUNDED)
    base = {"task": "{in_scope: true}", "methods": "{to: verbatim}", "context": "{integrity: user}"}
    key, _, value = more.partition(": ")
    lines = "".join(f"    {name}: {said}\n" for name, said in {**base, **({key: value} if value else {})}.items())
    head = "cases:\n  - name: one\n    agent: buyer\n    tool: pay\n    args: {amount: 10, to: bob}\n"
    (case,) = parse_cases(f"{head}    expect: {effect}\n    code: {code}\n{lines}")
    assert run_case(policy, case).faults == ()
    (wrong,) = parse_cases(f"{head}    expect: deny\n    usage: {{used: {{mony: 1}}}}\n")
    assert run_case(policy, wrong).faults == ("unknown budget 'mony'; did you mean 'money'?",)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("limit: 100", "limit: 99", False),
        ("halt_at: 40", "halt_at: 41", False),
        ("risk: high", "risk: medium", False),
        ("effect: allow", "effect: deny", True),
        ("effect: allow", "effect: require_approval", True),
    ],
)
def test_bundles_with_budgets_are_compared_honestly(old, new, found):
    """Rules that differ are shown to differ although usage is counted; changed bounds never pass as equal."""
    one, other = parse_policy(BOUNDED), parse_policy(BOUNDED.replace(old, new))
    assert difference(one, one).equal
    compared = difference(one, other)
    assert not compared.equal
    assert (compared.request is not None) is found


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ("expect: allow", "expct: allow", "did you mean 'expect'", 2),
        ("expect: allow", "expect: maybe", "'expect'", 7),
        ("name: tainted is refused", "name: small is allowed", "two cases are called 'small is allowed'", 9),
        ("    tool: pay_invoice\n", "", "key 'tool' is missing", 2),
        ("sources: [tool_result]", "sources: [rumour]", "'0'", 14),
        (CASES, "cases: []", "cases", 1),
    ],
)
def test_a_wrong_file_of_cases_is_refused_with_its_line(old, new, said, line):
    with pytest.raises(PolicyError, match=said) as caught:
        parse_cases(CASES.replace(old, new, 1))
    assert caught.value.line == line


def changed(old: str, new: str):
    return difference(parse_policy(PROCUREMENT), parse_policy(PROCUREMENT.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{lt: 100}", "{le: 100}"),
        ("max: 10000", "max: 10001"),
        ("at_most: untrusted", "at_most: first_party"),
        ("effect: require_approval", "effect: allow"),
        ("    obligations: [redact_pii_in_result]\n", ""),
        (r"DE\d{20}", r"DE\d{21}"),
        ("reader: {capabilities: [docs.read]}", "reader: {capabilities: [docs.read, payments.send]}"),
        ("idle: {capabilities: []}", "idle: {capabilities: [docs.read]}"),
    ],
)
def test_a_difference_is_a_request_on_which_both_answer_so(old, new):
    found = changed(old, new)
    assert found.request is not None
    assert parse_policy(PROCUREMENT).decide(found.request) == found.old
    assert parse_policy(PROCUREMENT.replace(old, new)).decide(found.request) == found.new
    assert (found.old.effect, found.old.obligations) != (found.new.effect, found.new.obligations)
    assert not found.equal


def test_equal_bundles_are_shown_to_be_equal():
    assert changed("id: procurement", "id: other").equal
    same_in_effect = changed("when: {args.amount: {lt: 100}}", "when: {not: {args.amount: {ge: 100}}}")
    assert same_in_effect.equal
    assert same_in_effect.tried > 10
    limits = changed("rules:\n", "limits: {max_calls_per_plan: 3}\nrules:\n")
    assert not limits.equal
    assert limits.settings == ("limits.max_calls_per_plan: 32 became 3",)


def test_a_space_beyond_the_bound_or_of_text_parts_is_not_called_exhausted():
    policy, other = parse_policy(PROCUREMENT), parse_policy(PROCUREMENT.replace("{lt: 100}", "{lt: 100, ne: 70}"))
    assert not difference(
        policy, parse_policy(PROCUREMENT.replace("{ge: 100}", "{gt: 99.5}")), max_requests=5
    ).exhaustive
    assert difference(policy, other).request is not None
    one = bundle([rule("a", when={"args.x": {"matches": "(a|b)c{2}"}})])
    two = bundle([rule("a", when={"args.x": {"matches": "[ab]c{2}"}})])
    found = difference(one, two)
    assert found.request is None
    assert not found.exhaustive
    assert "asked about its parts" in found.gaps[0]


VALUES = [None, True, -3, 0, 1, 0.5, 5, 6, 7, 8, 9.5, "a", "b", "other", ["a"], [], {}]


@settings(max_examples=150, deadline=None)
@given(items=rules(), others=rules(), same=st.booleans())
def test_law_the_search_agrees_with_brute_force(items, others, same):
    one, other = build(items), build(items[:-1] + others[:1] if same else others)
    if one is None or other is None:
        return
    found = difference(one, other)
    if found.request is not None:
        assert one.decide(found.request).effect is not other.decide(found.request).effect
        return
    if not found.exhaustive:
        assert found.gaps
        return
    argument_sets = [{}, *({"x": value} for value in VALUES), {"y": 1}, *({"x": value, "y": 1} for value in VALUES)]
    for arguments, level, agent, tool in itertools.product(argument_sets, Integrity, AGENTS, ["act", "look"]):
        asked = request(tool, arguments, agent=agent, context=label(level))
        assert one.decide(asked).effect is other.decide(asked).effect
