"""``approval`` on a rule: strict, under the digest, joined without loss, and what cannot be met is found."""

from __future__ import annotations

import itertools

import pytest
from policy_helpers import bundle, request, rule

from aisecops_langchain.domain.approval import DEFAULT_REQUIREMENT, ApprovalRequirement, Escalation, joined
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import difference, parse_policy
from aisecops_langchain.policy.findings import find

ASK = "require_approval"


def asking(name="ask", **approval):
    return rule(name, ASK, **({"approval": approval} if approval else {}))


def decide(*rules, **more):
    return bundle(list(rules), **more).decide(request("act", {}))


def test_a_rule_says_what_a_yes_takes_and_the_decision_carries_it():
    late = {"after_seconds": 300, "roles": ["ciso"]}
    decision = decide(asking(approvers=2, roles=["treasurer", "cfo"], ttl_seconds=600, escalate=late))
    (asked,) = decision.approvals
    assert asked == ApprovalRequirement(
        rule="ask",
        approvers=2,
        roles=("cfo", "treasurer"),
        ttl_seconds=600,
        escalate=Escalation(after_seconds=300, roles=("ciso",)),
    )


def test_a_rule_that_says_nothing_takes_the_default_and_costs_the_record_nothing():
    assert decide(asking()).approvals == ()
    assert decide(asking(), asking("other")).approvals == ()


def test_every_matching_rule_is_kept_even_one_that_says_nothing():
    """A rule with the default forbids the requester, so it must not get lost beside one that does not."""
    decision = decide(asking("lax", requester_may_approve=True), asking("strict"))
    assert set(decision.approvals) == {
        DEFAULT_REQUIREMENT,
        ApprovalRequirement(rule="lax", requester_may_approve=True),
    }


@pytest.mark.parametrize("lax", [{}, {"requester_may_approve": True}])
def test_the_risk_of_a_chain_asks_for_the_default_beside_what_rules_ask(lax):
    policy = bundle([asking(**lax)], chain_risk={"approval_at": 1, "halt_at": 1000})
    decision = policy.decide(request("act", {}, usage=Usage()))
    assert (decision.effect, decision.reasons[0].code) == (Effect.REQUIRE_APPROVAL, "chain_risk")
    rules = (ApprovalRequirement(rule="ask", requester_may_approve=True),) if lax else ()
    assert set(decision.approvals) == ({DEFAULT_REQUIREMENT, *rules} if lax else set())


def test_a_deny_carries_no_requirement():
    decision = decide(asking(approvers=2), rule("no", "deny", when={"principal.user": "nobody-else"}))
    assert decision.effect is Effect.REQUIRE_APPROVAL
    denied = bundle([asking(approvers=2), rule("no", "deny", when={"args.x": 1})]).decide(request("act", {"x": 1}))
    assert (denied.effect, denied.approvals) == (Effect.DENY, ())


def test_joining_loses_nothing_and_knows_no_order():
    items = [DEFAULT_REQUIREMENT, ApprovalRequirement(rule="a", approvers=2), ApprovalRequirement(rule="b")]
    results = {joined(order) for order in itertools.permutations(items)}
    assert len(results) == 1
    assert set(results.pop()) == set(items)
    assert joined([DEFAULT_REQUIREMENT, DEFAULT_REQUIREMENT]) == joined([]) == ()


@pytest.mark.parametrize(
    ("approval", "said"),
    [
        ({"approvers": 0}, "approvers"),
        ({"approvers": None}, "approvers"),
        ({"ttl_seconds": None}, "empty key"),
        ({"escalate": None}, "empty key"),
        ({"approvers": 21}, "approvers"),
        ({"approvers": True}, "approvers"),
        ({"approvers": "2"}, "approvers"),
        ({"roles": []}, "roles"),
        ({"roles": ["ciso", "ciso"]}, "twice"),
        ({"roles": ["*"]}, "roles"),
        ({"roles": ["a b"]}, "roles"),
        ({"roles": "ciso"}, "roles"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": 1.5}, "ttl_seconds"),
        ({"requester_may_approve": "yes"}, "requester_may_approve"),
        ({"aprovers": 2}, "did you mean 'approvers'"),
        ({"escalate": {"after_seconds": 60}}, "roles"),
        ({"escalate": {"after_seconds": 60, "roles": ["ciso"]}}, "anybody may answer already"),
        ({"roles": ["cfo"], "escalate": {"after_seconds": 60, "roles": ["cfo"]}}, "adds no role"),
        ({"roles": ["a"], "ttl_seconds": 60, "escalate": {"after_seconds": 60, "roles": ["b"]}}, "expires before"),
    ],
)
def test_what_could_not_be_met_or_would_change_nothing_is_refused(approval, said):
    with pytest.raises(PolicyError, match=said):
        bundle([asking(**approval)])


@pytest.mark.parametrize("nothing", [{}, None, []])
def test_an_empty_approval_is_refused(nothing):
    with pytest.raises(PolicyError):
        bundle([rule("ask", ASK, approval=nothing)])


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_only_a_rule_that_asks_may_say_what_an_approval_takes(effect):
    with pytest.raises(PolicyError, match="asks nobody"):
        bundle([rule("one", effect, approval={"approvers": 2})])


def test_the_digest_covers_every_part_and_the_bundle_reads_back():
    late = {"after_seconds": 60, "roles": ["b"]}
    variants = [
        {},
        {"approvers": 2},
        {"roles": ["a"]},
        {"requester_may_approve": True},
        {"ttl_seconds": 90},
        {"roles": ["a"], "escalate": late},
        {"roles": ["a"], "escalate": {**late, "only": True}},
    ]
    policies = [bundle([asking(**variant)]) for variant in variants]
    assert len({policy.digest for policy in policies}) == len(variants)
    for policy in policies:
        assert parse_policy(policy.bundle_json().decode()).digest == policy.digest
    assert bundle([asking(roles=["a", "b"])]).digest == bundle([asking(roles=["b", "a"])]).digest


def test_check_finds_what_the_limits_make_impossible():
    late = asking("late", roles=["a"], escalate={"after_seconds": 60, "roles": ["b"]})
    found = find(bundle([late, asking("idle", ttl_seconds=90)], limits={"approval_ttl_seconds": 60}))
    assert {(item.code, item.subject, item.severity.value) for item in found} == {
        ("late_escalation", "late", "error"),
        ("idle_ttl", "idle", "warning"),
    }


@pytest.mark.parametrize("change", [{"approvers": 2}, {"roles": ["a"]}, {"requester_may_approve": True}])
def test_a_comparison_shows_a_change_of_what_a_yes_takes(change):
    before, after = bundle([asking()]), bundle([asking(**change)])
    assert difference(before, after).request is not None
    assert difference(before, bundle([asking("renamed")])).equal
