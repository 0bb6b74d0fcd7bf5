"""Every engine passes the one conformance corpus."""

from __future__ import annotations

import pytest
from policy_helpers import PROCUREMENT

from aisecops_langchain.policy import PolicyEngine, Suspended, parse_policy
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


def test_a_suspended_policy_denies_the_whole_corpus_under_a_digest_of_its_own() -> None:
    before = parse_policy(PROCUREMENT)
    suspended = Suspended(before, "unreadable")
    assert isinstance(suspended, PolicyEngine)
    assert suspended.digest != before.digest
    decisions = [suspended.decide(case.request()) for case in CASES]
    assert {(decision.effect, decision.reasons[0].code) for decision in decisions} == {("deny", "policy_unusable")}
