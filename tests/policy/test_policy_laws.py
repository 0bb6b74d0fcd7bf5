"""Laws that hold for every bundle and every request."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_helpers import PROCUREMENT, bundle, label, request

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.labels import Integrity
from aisecops_langchain.domain.usage import Ceiling, Usage
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import Outcome, parse_policy

CAPABILITIES = {"do": {"tools": ["act", "look"]}, "more": {"tools": ["act"], "arguments": {"x": {"max": 5}}}}
AGENTS = {"buyer": {"capabilities": ["do", "more"]}, "clerk": {"capabilities": ["more"]}}
STRENGTH = {Effect.ALLOW: 0, Effect.REQUIRE_APPROVAL: 1, Effect.DENY: 2}

conditions = st.recursive(
    st.one_of(
        st.builds(lambda value: {"args.x": value}, st.sampled_from([0, 1, "a", None, True])),
        st.builds(
            lambda operator, bound: {"args.x": {operator: bound}},
            st.sampled_from(["lt", "ge", "ne"]),
            st.integers(-2, 8),
        ),
        st.builds(lambda level: {"labels.x.integrity": {"at_least": level.value}}, st.sampled_from(list(Integrity))),
        st.just({"args.y": {"exists": True}}),
        st.just({"args.x": {"contains": "a"}}),
        st.just({"capability": "more"}),
        st.sampled_from([{"cel": "args.x < 3"}, {"cel": "has(args.y) || context.integrity == 'user'"}]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda part: {"not": part}, inner),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=4,
)


@st.composite
def rules(draw, effects=("allow", "deny", "require_approval"), name="r"):
    drawn = []
    for index in range(draw(st.integers(1, 5))):
        item = {"id": f"{name}{index}", "effect": draw(st.sampled_from(effects))}
        item |= draw(
            st.sampled_from(
                [{"tools": ["act"]}, {"tools": ["*"]}, {"capabilities": ["more"]}, {"capabilities": ["do"]}]
            )
        )
        item["when"] = draw(conditions)
        drawn.append(item)
    return drawn


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyab.", max_size=2), inner, max_size=3),
    max_leaves=8,
)
arguments = st.dictionaries(st.sampled_from(["x", "y", "iban", "amount"]), json_values, max_size=4) | st.builds(
    lambda x: {"x": x}, st.sampled_from([0, 1, 5, 7, "a", "b", None, True, ["a"]])
)
requests = st.builds(
    lambda tool, args, agent, level: request(tool, args, agent=agent, context=label(level)),
    st.sampled_from(["act", "look", "other"]),
    arguments,
    st.sampled_from(["buyer", "clerk", "nobody"]),
    st.sampled_from(list(Integrity)),
)


def build(items):
    """A bundle, or nothing where the drawn rules happen to be refused at loading (contradictions)."""
    try:
        return bundle(items, capabilities=CAPABILITIES, agents=AGENTS)
    except PolicyError:
        return None


@settings(max_examples=150, deadline=None)
@given(items=rules(), asked=requests, data=st.data())
def test_the_order_of_rules_never_matters(items, asked, data):
    policy, shuffled = build(items), build(data.draw(st.permutations(items)))
    assert (policy is None) is (shuffled is None)
    if policy is not None:
        assert shuffled.digest == policy.digest
        assert shuffled.decide(asked) == policy.decide(asked)


@settings(max_examples=150, deadline=None)
@given(items=rules(), denies=rules(effects=("deny",), name="d"), asked=requests)
def test_adding_a_deny_never_widens(items, denies, asked):
    before, after = build(items), build(items + denies)
    if before is not None and after is not None:
        assert STRENGTH[after.decide(asked).effect] >= STRENGTH[before.decide(asked).effect]


@settings(max_examples=150, deadline=None)
@given(items=rules(), asked=requests)
def test_an_allow_needs_an_allow_rule_and_nothing_against_it(items, asked):
    policy = build(items)
    if policy is None:
        return
    decision = policy.decide(asked)
    effects = {item["id"]: item["effect"] for item in items}
    if decision.allowed:
        assert decision.capability is not None
        assert decision.rules
        assert {effects[name] for name in decision.rules} == {"allow"}


@settings(max_examples=150, deadline=None)
@given(items=rules(), asked=requests)
def test_explain_agrees_with_decide(items, asked):
    policy = build(items)
    if policy is None:
        return
    explanation, decision = policy.explain(asked), policy.decide(asked)
    assert explanation.decision == decision
    told = {rule.id: rule.outcome for rule in explanation.rules if rule.outcome is not Outcome.NOT_MATCHED}
    assert tuple(sorted(told)) == decision.rules
    erred = {reason.rule for reason in decision.reasons if reason.code == "rule_error"}
    assert {name for name, outcome in told.items() if outcome is Outcome.ERRED} == erred
    assert all(rule.condition.outcome is rule.outcome for rule in explanation.rules)


@settings(max_examples=200, deadline=None)
@given(given_arguments=arguments, agent=st.sampled_from(["buyer", "reader", "idle"]), tool=st.text(max_size=5))
def test_decide_never_raises(given_arguments, agent, tool):
    policy = parse_policy(PROCUREMENT)
    for name in ("pay_invoice", "search_docs", tool):
        decision = policy.decide(request(name, given_arguments, agent=agent))
        assert decision.reasons
        assert policy.explain(request(name, given_arguments, agent=agent)).decision == decision


@settings(max_examples=150, deadline=None)
@given(items=rules(), asked=requests)
def test_the_normalised_bundle_reads_back(items, asked):
    policy = build(items)
    if policy is not None:
        again = parse_policy(policy.bundle_json().decode())
        assert again.digest == policy.digest
        assert again.decide(asked) == policy.decide(asked)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60) | st.text("abid: -[]{}&*!|>'\"\n#%?,01", max_size=60))
def test_arbitrary_text_is_refused_with_our_error(text):
    with pytest.raises(PolicyError):
        parse_policy(text)


@settings(max_examples=300, deadline=None)
@given(position=st.integers(0, len(PROCUREMENT)), length=st.integers(0, 20), insert=st.text(max_size=4))
def test_a_mangled_bundle_loads_or_is_refused_with_our_error(position, length, insert):
    with suppress(PolicyError):
        parse_policy(PROCUREMENT[:position] + insert + PROCUREMENT[position + length :])


usages = st.builds(
    Usage,
    used=st.dictionaries(st.sampled_from(["c", "m"]), st.integers(0, 12)),
    fresh=st.dictionaries(st.just("r"), st.integers(0, 3)),
    risk=st.integers(0, 60_000),
    worst=st.integers(-1, 3),
    ceilings=st.lists(
        st.builds(Ceiling, warrant=st.just("w"), budget=st.sampled_from("cr"), limit=st.integers(1, 4)),
        max_size=2,
        unique_by=lambda item: item.budget,
    ).map(tuple),
)
beyond = st.sampled_from(["deny", "require_approval"])


@st.composite
def bounds(draw):
    measures = {"c": "calls", "m": "spend", "r": "recipients", "w": "writes"}
    chosen = draw(st.lists(st.sampled_from(sorted(measures)), unique=True))
    made = {
        name: {"measure": measures[name], "limit": draw(st.integers(1, 10)), "beyond": draw(beyond)} for name in chosen
    }
    halt = draw(st.integers(1, 60))
    chain = draw(st.sampled_from([{}, {"halt_at": halt}, {"halt_at": halt, "approval_at": max(1, halt // 2)}]))
    return {"budgets": made, "chain_risk": chain}


@settings(max_examples=150, deadline=None)
@given(rules=rules(), bounds=bounds(), usage=usages, more=usages, x=st.sampled_from([0, 3, -1, "a", None]))
def test_law_bounds_only_restrict_and_more_use_never_widens(rules, bounds, usage, more, x):
    """Budgets, ceilings and chain risk turn an answer into a stricter one or leave it, and so does whatever was used.

    The chain's worst step stays as it is: a chain that has seen worse escalates less, which is how it is defined.
    """
    tools = {"tools": {"act": {"effects": ["spend"], "amounts": ["x"]}}}
    sections = {name: section for name, section in bounds.items() if section}
    try:
        plain = bundle(rules, capabilities=CAPABILITIES, agents=AGENTS, **tools)
    except PolicyError:
        return
    bounded = bundle(rules, capabilities=CAPABILITIES, agents=AGENTS, **tools, **sections)
    asked = request("act", {"x": x}).model_copy(update={"usage": usage})
    free, held = plain.decide(asked), bounded.decide(asked)
    assert STRENGTH[held.effect] >= STRENGTH[free.effect]
    assert held.obligations <= free.obligations
    if sections:
        assert bounded.decide(asked.model_copy(update={"usage": None})).effect is Effect.DENY
    summed = usage.model_copy(
        update={
            "used": {name: usage.used.get(name, 0) + more.used.get(name, 0) for name in {*usage.used, *more.used}},
            "fresh": {name: usage.fresh.get(name, 0) + more.fresh.get(name, 0) for name in {*usage.fresh, *more.fresh}},
            "risk": usage.risk + more.risk,
            "ceilings": tuple(item.model_copy(update={"used": item.used + more.risk}) for item in usage.ceilings),
        }
    )
    later = bounded.decide(asked.model_copy(update={"usage": summed}))
    assert STRENGTH[later.effect] >= STRENGTH[held.effect]
