"""Every engine passes the one conformance corpus."""

from __future__ import annotations

import itertools
import re
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_helpers import PROCUREMENT

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import PolicyEngine, Risk, Suspended, parse_policy
from aisecops_langchain.policy.cedar import CedarPolicy
from aisecops_langchain.policy.rego import RegoPolicy
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


REGO = """\
package aisecops
import rego.v1
deny := {"large-read": input.args.limit > 10} if input.tool == "read"
deny := {
    "evil": contains(input.folded.payee, "evil"),
    "tainted": input.integrity == "untrusted",
} if input.tool == "pay"
default paying := false
paying if { input.agent == "buyer"; input.tool == "pay" }
require_approval := {"ask": asking}
default asking := false
asking if { paying; input.args.amount >= 100 }
allow := {"read": input.tool == "read", "pay": small}
default small := false
small if { paying; input.args.amount < 100 }
"""


def rego(policy: str = REGO, **arguments: str) -> RegoPolicy:
    kinds = {"read": {"limit": "integer", **arguments}, "pay": {"amount": "integer", "payee": "string"}}
    tools = {"read": Risk.LOW, "pay": Risk.HIGH}
    return RegoPolicy.parse(policy, name="conformance", agents=["buyer", "reader"], tools=tools, arguments=kinds)


@pytest.fixture(scope="module")
def in_rego() -> RegoPolicy:
    return rego()


class TestRego(PolicyEngineConformance):
    @pytest.fixture
    def engine(self, in_rego: RegoPolicy) -> PolicyEngine:
        return in_rego


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('contains(input.folded.payee, "evil")', 'regex.match("(?i)evil", input.args.payee)', "regex.match"),
        ('contains(input.folded.payee, "evil")', 'contains(lower(input.args.payee), "evil")', "lower"),
        ('input.tool == "read"', 'http.send({"method": "get", "url": "http://127.0.0.1"}).ok', "http.send"),
        ('input.tool == "read"', "time.now_ns() > 0", "time.now_ns"),
        ('input.tool == "read"', "opa.runtime().env.HOME", "opa.runtime"),
        ('input.tool == "read"', 'no_such_function("x")', "does not compile"),
        ('"evil")', '"\\u0065vil")', "write the character itself"),
        ("package aisecops", "package elsewhere", "does not compile"),
        ("deny := {", "deny := ", "does not compile"),
    ],
)
def test_rego_policies_that_could_fail_open_are_refused_when_loaded(old: str, new: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        rego(REGO.replace(old, new, 1))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("input.args.limit > 10", "input.args.limits > 10"),  # undefined
        ("input.args.limit > 10", "10 % (input.args.limit - 5) > 10"),  # errs
        ("input.args.limit > 10", "input.args.limit"),  # no boolean
        ('{"large-read": input.args.limit > 10}', "false"),  # no rules at all
        ('{"large-read": input.args.limit > 10} if', '{"one": false} if input.agent != ""\ndeny := {"two": false} if'),
        ('require_approval := {"ask": asking}', "asks := asking"),  # missing
    ],
)
def test_rego_denies_whatever_is_not_plainly_answered_and_tells_no_value(old: str, new: str) -> None:
    decision = rego(REGO.replace(old, new, 1)).decide(CASES[0].request())
    assert (decision.effect, decision.reasons[0].code) == ("deny", "rule_error")


@pytest.fixture(scope="module")
def noted() -> RegoPolicy:
    return rego(REGO.replace("input.args.limit > 10", 'contains(input.args.note, "evil")'), note="string")


@settings(max_examples=40)
@given(st.text(max_size=20), st.text(max_size=5))
def test_rego_sees_texts_as_they_are(noted: RegoPolicy, before: str, after: str) -> None:
    """A text with quotes, line ends or backslashes neither hides what it holds nor becomes something else."""
    case = CASES[0]._replace(arguments={"limit": 5, "note": f"{before}evil{after}"})
    assert noted.decide(case.request()).rules == ("large-read",)
    harmless = CASES[0]._replace(arguments={"limit": 5, "note": f"{before}{after}".replace("evil", "")})
    assert noted.decide(harmless.request()).allowed


def test_rego_denies_while_its_process_is_dead_or_hangs_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, request = rego(), CASES[0].request()
    worker = policy.process._worker
    assert worker is not None
    worker.kill()
    worker.wait()
    assert policy.decide(request).reasons[0].code == "engine_error"
    assert policy.decide(request).allowed
    worker = policy.process._worker
    assert worker is not None
    monkeypatch.setattr("aisecops_langchain.policy.rego_process.ANSWER_SECONDS", 0.2)
    worker.send_signal(signal.SIGSTOP)
    assert policy.decide(request).reasons[0].code == "engine_error"
    monkeypatch.undo()
    assert policy.decide(request).allowed


_STRENGTH = {Effect.ALLOW: 0, Effect.REQUIRE_APPROVAL: 1, Effect.DENY: 2}


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(6)), amount=st.integers(0, 200), tool=st.sampled_from(["read", "pay"]))
def test_law_in_cedar_order_never_matters_and_another_forbid_never_widens(
    order: list[int], amount: int, tool: str
) -> None:
    statements = [f"{text};" for text in CEDAR.split(";")[:6]]
    attribute = {"read": "limit", "pay": "amount"}[tool]
    more = f'forbid(principal, action == Action::"{tool}", resource) when {{ context.args.{attribute} > {amount} }};'
    first, shuffled = cedar(), cedar("".join(statements[place] for place in order))
    narrower = cedar(CEDAR + more)
    for case in CASES:
        answer = first.decide(case.request())
        assert (shuffled.decide(case.request()).effect, shuffled.decide(case.request()).rules) == (
            answer.effect,
            answer.rules,
        )
        assert _STRENGTH[narrower.decide(case.request()).effect] >= _STRENGTH[answer.effect]


@settings(max_examples=4, deadline=None)
@given(order=st.permutations(range(10)), amount=st.integers(0, 200))
def test_law_in_rego_order_never_matters_and_another_deny_never_widens(order: list[int], amount: int) -> None:
    head, body = REGO.split("import rego.v1\n")
    statements = re.findall(r"^.*?(?<![{,])\n(?=[a-z]|\Z)", body, re.M | re.S)
    assert len(statements) == 10
    shuffled = rego(head + "import rego.v1\n" + "".join(statements[place] for place in order))
    narrower = rego(REGO.replace('"evil": ', f'"large": input.args.amount > {amount}, "evil": '))
    first = rego()
    for case in CASES:
        answer = first.decide(case.request())
        again = shuffled.decide(case.request())
        assert (again.effect, again.rules) == (answer.effect, answer.rules)
        assert _STRENGTH[narrower.decide(case.request()).effect] >= _STRENGTH[answer.effect]


def test_a_suspended_policy_denies_the_whole_corpus_under_a_digest_of_its_own() -> None:
    before = parse_policy(PROCUREMENT)
    suspended = Suspended(before, "unreadable")
    assert isinstance(suspended, PolicyEngine)
    assert suspended.digest != before.digest
    decisions = [suspended.decide(case.request()) for case in CASES]
    assert {(decision.effect, decision.reasons[0].code) for decision in decisions} == {("deny", "policy_unusable")}
