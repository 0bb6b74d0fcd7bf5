"""The order of the gates, the combination of rules, and what a decision says."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from policy_helpers import IBAN, PROCUREMENT, bundle, codes, request, rule

from aisecops_langchain.canonical import digest
from aisecops_langchain.domain.decision import DecisionRequest, Effect, Obligation, Stage
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.policy import parse_policy

POLICY = parse_policy(PROCUREMENT)


def pay(amount, **more):
    return request("pay_invoice", {"amount": amount, "iban": IBAN}, **more)


def test_a_small_payment_is_allowed_with_its_obligation():
    decision = POLICY.decide(pay(50))
    assert decision.effect is Effect.ALLOW
    assert decision.stage is Stage.RULES
    assert decision.rules == ("small",)
    assert decision.capability == "payments.send"
    assert decision.risk == "critical"
    assert decision.policy == POLICY.digest
    assert decision.obligations == {Obligation.REDACT_PII_IN_RESULT}


def test_a_large_payment_needs_approval():
    assert POLICY.decide(pay(100)).effect is Effect.REQUIRE_APPROVAL


def test_an_unknown_agent_is_denied():
    decision = POLICY.decide(pay(50, agent="stranger"))
    assert (decision.effect, decision.stage, codes(decision)) == (Effect.DENY, Stage.CAPABILITY, ["unknown_agent"])


@pytest.mark.parametrize(
    ("agent", "tool"), [("reader", "pay_invoice"), ("buyer", "drop_tables"), ("idle", "search_docs"), ("buyer", "*")]
)
def test_a_tool_that_no_held_capability_covers_is_denied(agent, tool):
    """R03: an agent without capabilities may do nothing, rather than everything."""
    decision = POLICY.decide(request(tool, {"amount": 1, "iban": IBAN}, agent=agent))
    assert (decision.effect, decision.stage, codes(decision)) == (Effect.DENY, Stage.CAPABILITY, ["no_capability"])
    assert decision.capability is None


def test_violated_constraints_are_all_named_without_values():
    decision = POLICY.decide(request("pay_invoice", {"amount": 987_654, "iban": "SECRET-IBAN"}))
    assert (decision.effect, decision.stage) == (Effect.DENY, Stage.ARGUMENTS)
    assert codes(decision) == ["argument_constraint"] * 2
    text = decision.model_dump_json()
    assert "'amount' violates max" in text
    assert "'iban' violates pattern" in text
    assert "987654" not in text
    assert "SECRET-IBAN" not in text


def test_a_missing_constrained_argument_is_denied():
    decision = POLICY.decide(request("pay_invoice", {"iban": IBAN}))
    assert decision.stage is Stage.ARGUMENTS
    assert "'amount' is missing" in decision.reasons[0].message


@pytest.mark.parametrize("order", list(itertools.permutations(["allow", "deny", "require_approval"])))
def test_deny_wins_over_approval_over_allow_in_every_order(order):
    """R04: an allow that comes first overrides nothing."""
    rules = [rule(f"{position}-{effect}", effect, when={"args.x": 1}) for position, effect in enumerate(order)]
    decision = bundle(rules).decide(request("act", {"x": 1}))
    assert decision.effect is Effect.DENY
    assert decision.rules == tuple(sorted(item["id"] for item in rules))
    assert {reason.rule for reason in decision.reasons} == set(decision.rules)
    without_deny = [item for item in rules if item["effect"] != "deny"]
    assert bundle(without_deny).decide(request("act", {"x": 1})).effect is Effect.REQUIRE_APPROVAL


def test_what_no_rule_allows_is_denied():
    decision = bundle([rule("a", when={"args.x": 1})]).decide(request("act", {"x": 2}))
    assert (decision.effect, codes(decision), decision.rules) == (Effect.DENY, ["default_deny"], ())


def test_a_sole_deny_rule_that_does_not_match_allows_nothing():
    decision = bundle([rule("a", "deny", when={"args.x": 1})]).decide(request("act", {"x": 2}))
    assert codes(decision) == ["default_deny"]


@pytest.mark.parametrize("effect", ["allow", "deny", "require_approval"])
def test_an_erring_rule_denies_whatever_its_effect(effect):
    rules = [rule("fine"), rule("broken", effect, when={"args.absent": 1})]
    decision = bundle(rules).decide(request("act", {"x": 1}))
    assert decision.effect is Effect.DENY
    assert decision.rules == ("broken", "fine")
    assert decision.reasons[0].code == "rule_error"
    assert decision.reasons[0].rule == "broken"
    assert decision.obligations == frozenset()


def test_an_error_says_the_kind_and_not_the_value():
    decision = bundle([rule("r", when={"args.x": {"lt": 5}})]).decide(request("act", {"x": "my-secret"}))
    assert "expected number, got text" in decision.reasons[0].message
    assert "my-secret" not in decision.model_dump_json()


def test_obligations_are_the_union_over_allow_and_approval():
    rules = [
        rule("a", obligations=["redact_pii_in_result"]),
        rule("b", "require_approval", when={"args.x": 1}),
    ]
    assert bundle(rules).decide(request("act", {"x": 1})).obligations == {Obligation.REDACT_PII_IN_RESULT}


def test_a_deny_carries_no_obligations():
    rules = [
        rule("a", obligations=["redact_pii_in_result"]),
        rule("b", "deny", when={"args.x": 1}),
    ]
    assert bundle(rules).decide(request("act", {"x": 1})).obligations == frozenset()


def test_a_star_rule_is_for_every_tool():
    policy = bundle(
        [{"id": "all", "effect": "allow", "tools": ["*"]}],
        capabilities={"do": {"tools": ["one", "two"]}, "other": {"tools": ["three"]}},
    )
    assert policy.decide(request("one")).allowed
    assert policy.decide(request("two")).allowed
    assert codes(policy.decide(request("three"))) == ["no_capability"]


def test_a_rule_for_one_agent_is_not_for_another():
    policy = bundle([rule("r", agents=["a"])], agents={"a": {"capabilities": ["do"]}, "b": {"capabilities": ["do"]}})
    assert policy.decide(request("act", agent="a")).allowed
    assert codes(policy.decide(request("act", agent="b"))) == ["default_deny"]


TWO_WAYS = {
    "small": {"tools": ["act"], "risk": "low", "arguments": {"x": {"max": 10}}},
    "large": {"tools": ["act"], "risk": "critical", "arguments": {"x": {"min": 5}}},
}
HOLDS_BOTH = {"buyer": {"capabilities": ["small", "large"]}}


def test_the_worst_of_the_granting_capabilities_is_named():
    policy = bundle([rule("r")], capabilities=TWO_WAYS, agents=HOLDS_BOTH)
    named = {x: policy.decide(request("act", {"x": x})) for x in (1, 7, 20)}
    assert {x: (item.capability, item.risk) for x, item in named.items()} == {
        1: ("small", "low"),
        7: ("large", "critical"),
        20: ("large", "critical"),
    }


def test_an_allow_for_a_capability_is_not_for_what_another_one_grants():
    allow = {"id": "r", "effect": "allow", "capabilities": ["small"]}
    policy = bundle([allow], capabilities=TWO_WAYS, agents=HOLDS_BOTH)
    assert policy.decide(request("act", {"x": 7})).allowed
    assert codes(policy.decide(request("act", {"x": 20}))) == ["default_deny"]


def test_a_deny_for_a_capability_is_for_its_tools_whoever_grants_them():
    rules = [rule("r"), {"id": "no", "effect": "deny", "capabilities": ["small"], "when": {"args.x": {"gt": 15}}}]
    policy = bundle(rules, capabilities=TWO_WAYS, agents={"buyer": {"capabilities": ["large"]}})
    assert policy.decide(request("act", {"x": 20})).effect is Effect.DENY
    assert policy.decide(request("act", {"x": 12})).allowed


def test_a_malformed_request_is_denied_not_raised():
    call = CanonicalCall.model_construct(tool="pay_invoice", arguments_json=b"[1", digest="x")
    good = pay(5)
    for broken in (
        good.model_copy(update={"call": call}),
        good.model_copy(update={"call": call.model_copy(update={"arguments_json": b"[]"})}),
        good.model_copy(update={"principal": None}),
        DecisionRequest.model_construct(),
    ):
        decision = POLICY.decide(broken)
        assert (decision.effect, codes(decision)) == (Effect.DENY, ["engine_error"])
        assert POLICY.explain(broken).decision == decision


def test_the_facts_about_a_policy():
    assert POLICY.id == "procurement"
    assert POLICY.agents == {"buyer", "reader", "idle"}
    assert POLICY.tools == {"search_docs", "pay_invoice"}
    assert POLICY.limits.permit_ttl_seconds == 300
    assert POLICY.reveal == frozenset()
    assert POLICY.requires_approval_possible()
    assert not bundle([rule("r")]).requires_approval_possible()
    assert (POLICY.risk("search_docs"), POLICY.risk("pay_invoice"), POLICY.risk("x")) == ("low", "critical", "critical")


def test_a_tool_is_idempotent_only_if_every_capability_says_so():
    capabilities = {
        "a": {"tools": ["one", "two"], "idempotent": True},
        "b": {"tools": ["two"], "idempotent": False},
    }
    policy = bundle(
        [{"id": "r", "effect": "allow", "tools": ["*"]}],
        capabilities=capabilities,
        agents={"buyer": {"capabilities": ["a"]}},
    )
    assert [policy.idempotent(tool) for tool in ("one", "two", "unknown")] == [True, False, False]


def test_the_policy_cannot_be_changed():
    with pytest.raises(AttributeError):
        POLICY.digest = "other"
    with pytest.raises(TypeError):
        POLICY.index.gates["stranger"] = {}


def test_many_threads_get_the_same_answers():
    requests = [pay(amount) for amount in range(0, 200, 7)] * 20
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(POLICY.decide, requests)) == [POLICY.decide(item) for item in requests]


def test_the_digest_covers_the_normalised_content():
    import orjson

    assert POLICY.digest == digest("policy", orjson.loads(POLICY.bundle_json()))


def test_comments_layout_and_defaults_do_not_change_the_digest():
    text = PROCUREMENT.replace("rules:", "# note\nlimits: {max_denials_per_run: 20}\nrules:")
    text = text.replace("  - id: read\n    effect: allow", '  - effect: "allow"\n    id: read')
    assert parse_policy(text).digest == POLICY.digest


def test_a_change_of_meaning_changes_the_digest():
    assert parse_policy(PROCUREMENT.replace("lt: 100", "lt: 101")).digest != POLICY.digest


def test_the_normalised_content_reads_back_as_the_same_policy():
    again = parse_policy(POLICY.bundle_json().decode())
    assert again.bundle_json() == POLICY.bundle_json()
    assert again.decide(pay(50)) == POLICY.decide(pay(50))
