"""The reason chain names every capability, constraint, rule and condition, and never a value."""

from __future__ import annotations

from policy_helpers import IBAN, PROCUREMENT, bundle, label, request, rule

from aisecops_langchain.policy import Outcome, parse_policy

POLICY = parse_policy(PROCUREMENT)


def test_the_chain_of_an_allowed_call():
    explanation = POLICY.explain(request("pay_invoice", {"amount": 50, "iban": IBAN}))
    (capability,) = explanation.capabilities
    assert (capability.id, capability.held, capability.granted) == ("payments.send", True, True)
    assert [item.constraint for item in capability.constraints] == [
        "amount max 10000",
        "amount min 0",
        'iban pattern "DE\\\\d{20}"',
    ]
    assert all(item.fault is None for item in capability.constraints)
    assert {item.id: item.outcome for item in explanation.rules} == {
        "large": Outcome.NOT_MATCHED,
        "small": Outcome.MATCHED,
        "tainted": Outcome.NOT_MATCHED,
    }
    assert explanation.combination == "deny before require_approval before allow: allow by small"


def test_the_condition_that_failed_is_named():
    policy = bundle([rule("r", when={"args.x": 1, "any": [{"args.y": 2}, {"args.z": 3}]})])
    condition = policy.explain(request("act", {"x": 1, "y": 0})).rules[0].condition
    either, first = condition.parts
    assert (first.condition, first.outcome) == ("args.x eq 1", Outcome.MATCHED)
    assert either.outcome is Outcome.ERRED
    assert [(part.condition, part.outcome) for part in either.parts] == [
        ("args.y eq 2", Outcome.NOT_MATCHED),
        ("args.z eq 3", Outcome.ERRED),
    ]
    assert either.parts[1].fault == "args.z is missing"


def test_a_violated_constraint_is_named_and_no_rule_was_asked():
    explanation = POLICY.explain(request("pay_invoice", {"amount": 123_456, "iban": IBAN}))
    faults = {item.constraint: item.fault for item in explanation.capabilities[0].constraints}
    assert faults["amount max 10000"] == "payments.send: argument 'amount' violates max"
    assert faults["amount min 0"] is None
    assert explanation.rules == ()
    assert explanation.combination == "the arguments gate refused, so deny; no rule was asked"
    assert "123456" not in explanation.model_dump_json()
    assert IBAN not in explanation.model_dump_json()


def test_a_capability_that_the_agent_lacks_is_shown_as_not_held():
    explanation = POLICY.explain(request("pay_invoice", {}, agent="reader"))
    assert [(item.id, item.held, item.granted) for item in explanation.capabilities] == [
        ("payments.send", False, False)
    ]
    assert explanation.combination == "the capability gate refused, so deny; no rule was asked"


def test_default_deny_is_said():
    explanation = bundle([rule("r", when={"args.x": 1})]).explain(request("act", {"x": 2}))
    assert explanation.combination == "no rule matched, so deny by default"


def test_the_grant_that_an_allow_needs_is_shown():
    policy = bundle(
        [{"id": "r", "effect": "allow", "capabilities": ["small"]}],
        capabilities={
            "small": {"tools": ["act"], "arguments": {"x": {"max": 5}}},
            "large": {"tools": ["act"]},
        },
        agents={"buyer": {"capabilities": ["small", "large"]}},
    )
    (told,) = policy.explain(request("act", {"x": 9})).rules
    assert told.outcome is Outcome.NOT_MATCHED
    assert told.condition.condition == 'capability granted_by ["small"]'


def test_several_deciding_rules_are_named():
    rules = [rule("a", "deny", when={"args.x": 1}), rule("b", "deny", when={"args.missing": 1}), rule("c")]
    explanation = bundle(rules).explain(request("act", {"x": 1}, context=label()))
    assert explanation.combination == "deny before require_approval before allow: deny by a, b"
    assert [item.outcome for item in explanation.rules] == [Outcome.MATCHED, Outcome.ERRED, Outcome.MATCHED]
    assert explanation.rules[1].fault == "rule 'b' could not be evaluated: args.missing is missing"
