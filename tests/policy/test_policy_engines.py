"""Every engine passes the one conformance corpus."""

from __future__ import annotations

import itertools

import pytest
from policy_helpers import PROCUREMENT

from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import PolicyEngine, Risk, Suspended, parse_policy
from aisecops_langchain.policy.cedar import CedarPolicy
from aisecops_langchain.testing.policy_conformance import CASES, PolicyEngineConformance

RIGHTS = """\
version: 1
id: conformance
agents:
  buyer: {capabilities: [paying, reading]}
  reader: {capabilities: [reading]}
capabilities:
  paying: {tools: [pay]}
  reading: {tools: [read], risk: low}
rules:
"""


class TestNative(PolicyEngineConformance):
    @pytest.fixture
    def engine(self) -> PolicyEngine:
        return parse_policy(
            RIGHTS
            + """\
  - {id: read, effect: allow, tools: [read]}
  - {id: large-read, effect: deny, tools: [read], when: {args.limit: {gt: 10}}}
  - {id: pay, effect: allow, tools: [pay], when: {args.amount: {lt: 100}}}
  - {id: ask, effect: require_approval, tools: [pay], when: {args.amount: {ge: 100}}}
  - {id: evil, effect: deny, tools: [pay], when: {args.payee: {matches: '(?i).*evil.*'}}}
  - {id: tainted, effect: deny, tools: [pay], when: {context.integrity: untrusted}}
"""
        )


class TestCel(PolicyEngineConformance):
    @pytest.fixture
    def engine(self) -> PolicyEngine:
        return parse_policy(
            RIGHTS
            + """\
  - {id: read, effect: allow, tools: [read]}
  - {id: large-read, effect: deny, tools: [read], when: {cel: 'args.limit > 10'}}
  - {id: pay, effect: allow, tools: [pay], when: {cel: 'args.amount < 100'}}
  - {id: ask, effect: require_approval, tools: [pay], when: {cel: 'args.amount >= 100'}}
  - {id: evil, effect: deny, tools: [pay], when: {cel: 'args.payee.matches("(?i)evil")'}}
  - {id: tainted, effect: deny, tools: [pay], when: {cel: 'context.integrity == "untrusted"'}}
"""
        )


CEDAR = """\
@id("read") permit(principal, action == Action::"read", resource);
@id("large-read") forbid(principal, action == Action::"read", resource) when { context.args.limit > 10 };
@id("pay") permit(principal == Agent::"buyer", action == Action::"pay", resource) when { context.args.amount < 100 };
@id("ask") @effect("require_approval")
permit(principal == Agent::"buyer", action == Action::"pay", resource) when { context.args.amount >= 100 };
@id("evil") forbid(principal, action == Action::"pay", resource) when { EVIL };
@id("tainted") forbid(principal, action == Action::"pay", resource) when { context.integrity == "untrusted" };
""".replace(  # Cedar's patterns know no letter case
    "EVIL",
    " || ".join(f'context.args.payee like "*{"".join(word)}*"' for word in itertools.product("eE", "vV", "iI", "lL")),
)
SCHEMA = "entity Agent; entity Tenant;" + "".join(
    f"""
action "{tool}" appliesTo {{
  principal: Agent, resource: Tenant,
  context: {{args: {{{args}}}, user: String, integrity: String, confidentiality: String, labels: {{{labels}}}}}
}};"""
    for tool, args, labels in [
        ("read", "limit: Long", "limit: String"),
        ("pay", "amount: Long, payee: String", "amount: String, payee: String"),
    ]
)


def cedar(policies: str = CEDAR, schema: str = SCHEMA) -> CedarPolicy:
    tools = {"read": Risk.LOW, "pay": Risk.HIGH}
    return CedarPolicy.parse(policies, schema, name="conformance", agents=["buyer", "reader"], tools=tools)


class TestCedar(PolicyEngineConformance):
    @pytest.fixture
    def engine(self) -> PolicyEngine:
        return cedar()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("args.limit", "args.limits", "not found"),
        ("permit(", "permitt(", "cannot be read"),
        ("require_approval", "allow", "@effect may only be"),
        ('@id("evil")', '@effect("require_approval")', "on a permit"),
    ],
)
def test_cedar_policies_that_are_not_sound_are_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        cedar(CEDAR.replace(old, new, 1))


def test_cedar_denies_where_a_prohibition_errs_at_run_time_and_tells_no_value() -> None:
    """Cedar itself allows here: it skips the prohibition that overflows."""
    overflowing = cedar(CEDAR.replace("context.args.limit > 10", "context.args.limit * 9223372036854775807 > 10"))
    case = CASES[0]._replace(arguments={"limit": 7777777})
    decision = overflowing.decide(case.request())
    assert (decision.effect, decision.reasons[0].code) == ("deny", "rule_error")
    assert "7777777" not in decision.model_dump_json()
    smuggled = case._replace(arguments={"limit": {"__extn": {"fn": "decimal", "arg": "1.0"}}})
    assert cedar().decide(smuggled.request()).reasons[0].code == "engine_error"


def test_a_suspended_policy_denies_the_whole_corpus_under_a_digest_of_its_own() -> None:
    before = parse_policy(PROCUREMENT)
    suspended = Suspended(before, "unreadable")
    assert isinstance(suspended, PolicyEngine)
    assert suspended.digest != before.digest
    decisions = [suspended.decide(case.request()) for case in CASES]
    assert {(decision.effect, decision.reasons[0].code) for decision in decisions} == {("deny", "policy_unusable")}
