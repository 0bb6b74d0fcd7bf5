"""Laws of history decided again, for every policy and every request."""

from __future__ import annotations

import json
from contextlib import suppress
from fractions import Fraction
from math import comb

import pytest
from drift_kit import event, replay, request
from hypothesis import given, settings
from hypothesis import strategies as st

from aisecops_langchain import parse_policy
from aisecops_langchain.domain.effects import ToolEffect, ToolProfile
from aisecops_langchain.domain.principal import Delegator, Principal
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.forensics.drift import Change
from aisecops_langchain.forensics.drift.statistics import adjusted, p_value

WHEN = st.sampled_from(
    [
        {"args.x": {"lt": 3}},
        {"args.x": {"ge": 3}},
        {"args.y": {"exists": True}},
        {"context.integrity": {"at_least": "user"}},
        {"not": {"args.y": {"eq": "a"}}},
        {"tool.effects": {"contains": "send"}},
        {"targets.integrity": {"at_most": "untrusted"}},
        {"capability": "more"},
    ]
)
RULE = st.tuples(st.sampled_from(["allow", "deny", "require_approval"]), st.sampled_from(["act", "look", "*"]), WHEN)
BUDGETS = st.sampled_from([{}, {"budgets": {"n": {"measure": "calls", "limit": 2}}}])


def build(rules, denies=(), sections=()):
    """A bundle, or nothing where the drawn rules happen to be refused at loading."""
    every = [*rules, *(("deny", *item) for item in denies)]
    content = {
        "version": 1,
        "id": "law",
        "agents": {"clerk": {"capabilities": ["do", "more"]}, "boss": {"capabilities": ["do"]}},
        "capabilities": {"do": {"tools": ["act", "look"]}, "more": {"tools": ["act"], "arguments": {"x": {"max": 5}}}},
        "rules": [
            {"id": f"r{number}", "effect": effect, "tools": [tool], "when": when}
            for number, (effect, tool, when) in enumerate(every)
        ],
        **dict(sections),
    }
    with suppress(PolicyError):
        return parse_policy(json.dumps(content))
    return None


@st.composite
def asked(draw):
    made = request(
        draw(st.sampled_from(["act", "look", "other"])),
        draw(st.sampled_from(["clerk", "boss", "nobody"])),
        integrity=draw(st.sampled_from(["user", "untrusted", "system"])),
        **draw(st.fixed_dictionaries({"x": st.integers(0, 7)}, optional={"y": st.sampled_from(["a", "b", None])})),
    )
    usage = draw(st.none() | st.builds(lambda n: Usage(used={"n": n}), st.integers(0, 3)))
    profile = draw(st.none() | st.just(ToolProfile(effects=(ToolEffect.SEND,), targets=("y",))))
    return made.model_copy(update={"usage": usage, "profile": profile})


LOG = st.lists(st.tuples(asked(), st.sets(st.sampled_from(["x", "y"]))), min_size=1, max_size=8)


def history(log, policy, delegators=()):
    return [
        event(item.model_copy(update={"principal": item.principal.model_copy(update={"delegators": delegators})}),
              policy, hide=tuple(sorted(hide & item.call.arguments().keys())), trace=f"t{number}")
        for number, (item, hide) in enumerate(log)
    ]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(rules=st.lists(RULE, min_size=1, max_size=5), log=LOG, sections=BUDGETS)
def test_the_recorded_policy_flips_nothing_and_commits_no_fault(rules, log, sections):
    policy = build(rules, sections=sections)
    if policy is None:
        return
    report = replay(history(log, policy), policy, recorded=(policy,))
    (found,) = report.bundles
    assert not report.determinism.faults
    assert not found.flips
    assert found.same + sum(found.not_reproducible.values()) == report.decisions == len(log)
    assert report.determinism.reproduced + sum(report.determinism.not_reproducible.values()) == len(log)


@settings(max_examples=150, deadline=None)
@given(
    rules=st.lists(RULE, min_size=1, max_size=4),
    denies=st.lists(st.tuples(st.sampled_from(["act", "look", "*"]), WHEN), min_size=1, max_size=2),
    log=LOG,
    sections=BUDGETS,
    known=st.booleans(),
)
def test_an_added_deny_allows_nothing_new(rules, denies, log, sections, known):
    before, after = build(rules, sections=sections), build(rules, denies, sections)
    if before is None or after is None:
        return
    (found,) = replay(history(log, before), after, recorded=(before,) if known else ()).bundles
    assert found.changed[Change.NEWLY_ALLOWED] == 0
    assert all(flip.new.value == "deny" for flip in found.flips if flip.change is not Change.TERMS)


@settings(max_examples=150, deadline=None)
@given(rules=st.lists(RULE, min_size=1, max_size=4), other=st.lists(RULE, min_size=1, max_size=4), log=LOG)
def test_what_is_withheld_never_changes_an_answer_only_takes_it_away(rules, other, log):
    before, after = build(rules), build(other)
    if before is None or after is None:
        return
    shown = history([(item, set()) for item, _ in log], before)
    for whole, part in zip(shown, history(log, before), strict=True):
        (truth,), (told,) = (replay([one], after, recorded=(before,)).bundles for one in (whole, part))
        assert told.not_reproducible or (told.changed, told.same) == (truth.changed, truth.same)


@settings(max_examples=100, deadline=None)
@given(rules=st.lists(RULE, min_size=1, max_size=4), other=st.lists(RULE, min_size=1, max_size=4), log=LOG)
def test_whoever_acts_for_others_is_never_newly_allowed_what_they_are_denied(rules, other, log):
    before, after = build(rules), build(other)
    if before is None or after is None:
        return
    chain = (Delegator(agent="boss", warrant="w"),)
    for made in history(log, before, chain):
        (found,) = replay([made], after, recorded=(before,)).bundles
        boss = Principal(agent="boss", user="alice")
        item = next(item for item, _ in log if item.call.digest == made.call.digest)
        theirs = after.decide(item.model_copy(update={"principal": boss, "context": made.context,
                                                      "profile": made.tool_profile}))  # fmt: skip
        if theirs.effect.value == "deny":
            assert found.changed[Change.NEWLY_ALLOWED] == 0


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((30, 100, 55, 100), 0.000348901),  # chi-squared 12.78772 with one degree of freedom
        ((40, 100, 60, 100), 0.004677735),  # chi-squared 8 with one degree of freedom
        ((3, 4, 1, 4), 0.485714286),  # the lady tasting tea
        ((0, 10, 0, 10), 1.0),
        ((5, 5, 7, 7), 1.0),
        ((0, 0, 3, 9), 1.0),
    ],
)
def test_p_values_are_the_published_ones(table, expected):
    assert p_value(*table) == pytest.approx(expected, rel=1e-5)


@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_few_runs_are_tested_exactly(runs_before, runs_after, data):
    """Fisher's test, counted out in fractions."""
    before, after = data.draw(st.integers(0, runs_before)), data.draw(st.integers(0, runs_after))
    total, having = runs_before + runs_after, before + after
    if having in (0, total) or min(runs_before, runs_after) * min(having, total - having) / total >= 5:
        return

    def likely(cell: int) -> Fraction:
        return Fraction(comb(having, cell) * comb(total - having, runs_before - cell), comb(total, runs_before))

    tables = map(likely, range(max(0, having - runs_after), min(having, runs_before) + 1))
    exact = sum(weight for weight in tables if weight <= likely(before))
    assert p_value(before, runs_before, after, runs_after) == pytest.approx(float(exact), rel=1e-6)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_a_p_value_is_a_probability_and_knows_no_order(with_a, without_a, with_b, without_b):
    p = p_value(with_a, with_a + without_a, with_b, with_b + without_b)
    assert 0 <= p <= 1
    assert p == pytest.approx(p_value(with_b, with_b + without_b, with_a, with_a + without_a))


def test_benjamini_and_hochberg_adjust_as_published():
    assert adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert adjusted([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_adjusted_values_keep_the_order_and_never_shrink(values):
    found = adjusted(values)
    assert all(q >= p for p, q in zip(values, found, strict=True))
    ranked = sorted(range(len(values)), key=values.__getitem__)
    assert [found[place] for place in ranked] == sorted(found)
