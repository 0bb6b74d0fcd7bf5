"""What a bundle lets approvers grant: stated by a rule, combined to the tightest, and covered by the digest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect
from aisecops_langchain.domain.grant import GrantTerms, amount_of, amount_text, micro, tightest
from aisecops_langchain.domain.labels import NEUTRAL, Confidentiality, Integrity, Label
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.task import TaskStanding
from aisecops_langchain.domain.usage import Usage
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.policy.difference import difference

BUNDLE = """
version: 1
id: grants
agents: {clerk: {capabilities: [paying]}}
capabilities: {paying: {tools: [pay], risk: high}}
rules:
  - {id: pay, effect: require_approval, tools: [pay], grants: {max_seconds: 3600, max_uses: 20, any: [note]}}
  - id: large
    effect: require_approval
    tools: [pay]
    when: {args.amount: {gt: 100}}
    grants: {max_seconds: 60, max_uses: 30, up_to: {amount: "500"}}
  - {id: abroad, effect: require_approval, tools: [pay], when: {args.to: {eq: abroad}}}
"""


def decide(text: str = BUNDLE, **arguments) -> Decision:
    call = CanonicalCall.of("pay", {"to": "bob", "amount": 1, **arguments})
    request = DecisionRequest(principal=Principal(agent="clerk"), call=call, context=NEUTRAL)
    return parse_policy(text).decide(request)


def test_a_decision_says_what_may_be_granted():
    assert decide().grants == GrantTerms(max_seconds=3600, max_uses=20, any=("note",))


def test_of_several_rules_the_tightest_bounds_hold():
    assert decide(amount=101).grants == GrantTerms(max_seconds=60, max_uses=20, up_to={"amount": "500"})


def test_one_rule_that_permits_none_is_enough():
    assert decide(to="abroad").grants is None


@pytest.mark.parametrize(
    "bounds",
    [
        "budgets: {calls: {measure: calls, limit: 1, beyond: require_approval}}",
        "standard_rules: [rule_of_two]",
        "task_scope: {outside: require_approval}",
    ],
)
def test_what_asks_beside_the_rules_permits_no_grants(bounds):
    """Budgets, ready-made rules and the task scope ask a person every time."""
    policy = parse_policy(BUNDLE + bounds)
    call = CanonicalCall.of("pay", {"to": "bob", "amount": 1})
    worst = Label(integrity=Integrity.UNTRUSTED, confidentiality=Confidentiality.RESTRICTED)
    request = DecisionRequest(
        principal=Principal(agent="clerk"),
        call=call,
        context=worst,
        usage=Usage(used={"calls": 1}),
        task=TaskStanding(scope="s", in_scope=False),
    )
    decision = policy.decide(request)
    assert (decision.effect, decision.grants) == (Effect.REQUIRE_APPROVAL, None)


def test_a_denied_or_allowed_call_has_nothing_to_grant():
    denied = decide(BUNDLE + "  - {id: small, effect: deny, tools: [pay], when: {args.amount: {lt: 5}}}\n")
    assert (denied.effect, denied.grants) == (Effect.DENY, None)


def test_terms_are_part_of_the_digest_and_read_back():
    policy = parse_policy(BUNDLE)
    assert parse_policy(policy.bundle_json().decode()).digest == policy.digest
    wider = parse_policy(BUNDLE.replace("max_uses: 20", "max_uses: 21"))
    assert wider.digest != policy.digest


def test_a_bundle_without_grants_has_the_digest_that_it_had():
    """The key is left out of the normalised content where nothing is granted."""
    rules = "rules: [{id: pay, effect: require_approval, tools: [pay]}]"
    plain = BUNDLE.partition("rules:")[0].replace("id: grants", "id: plain") + rules
    assert b"grants" not in parse_policy(plain).bundle_json()


@pytest.mark.parametrize(
    "wider", ["max_uses: 21", "max_uses: 20, any_thread: true", 'max_uses: 20, up_to: {amount: "1"}']
)
def test_a_comparison_of_policies_shows_that_more_may_be_granted(wider):
    found = difference(parse_policy(BUNDLE), parse_policy(BUNDLE.replace("max_uses: 20", wider)))
    assert not found.equal
    assert found.request is not None


@pytest.mark.parametrize(
    ("grants", "message"),
    [
        ("{}", "missing"),
        ("{max_seconds: 60}", "missing"),
        ("{max_seconds: 0, max_uses: 1}", "max_seconds"),
        ("{max_seconds: 86401, max_uses: 1}", "max_seconds"),
        ("{max_seconds: 60, max_uses: 0}", "max_uses"),
        ('{max_seconds: "60", max_uses: 1}', "max_seconds"),
        ("{max_seconds: 60, max_uses: true}", "max_uses"),
        ("{max_seconds: 60, max_uses: 1, any: []}", "empty"),
        ("{max_seconds: 60, max_uses: 1, up_to: {}}", "empty"),
        ("{max_seconds: 60, max_uses: 1, up_to: {amount: 5}}", "amount"),
        ('{max_seconds: 60, max_uses: 1, up_to: {amount: "-5"}}', "amount"),
        ('{max_seconds: 60, max_uses: 1, up_to: {amount: "1e5"}}', "amount"),
        ("{max_seconds: 60, max_uses: 1, any: [note, note]}", "twice"),
        ('{max_seconds: 60, max_uses: 1, any: [amount], up_to: {amount: "5"}}', "twice"),
        ("{max_seconds: 60, max_uses: 1, forever: true}", "forever"),
        ("true", "grants"),
        ("null", "grants"),
    ],
)
def test_terms_that_say_too_little_or_too_much_are_refused(grants, message):
    text = BUNDLE.replace("{max_seconds: 3600, max_uses: 20, any: [note]}", grants)
    with pytest.raises(PolicyError, match=message):
        parse_policy(text)


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_a_rule_that_asks_nobody_permits_no_grants(effect):
    with pytest.raises(PolicyError, match="asks nobody"):
        parse_policy(BUNDLE.replace("id: pay, effect: require_approval", f"id: pay, effect: {effect}"))


AMOUNT = st.decimals(0, 999_999_999, places=6).map(lambda value: f"{value.normalize():f}")
TERMS = st.builds(
    GrantTerms,
    max_seconds=st.integers(1, 86_400),
    max_uses=st.integers(1, 10_000),
    any=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(lambda names: tuple(sorted(names))),
    up_to=st.none() | st.dictionaries(st.sampled_from(["x", "y"]), AMOUNT),
    any_thread=st.booleans(),
)


@given(st.lists(st.none() | TERMS, max_size=4))
def test_law_combined_terms_are_within_every_one_of_them(terms):
    """In any order, and one that permits nothing leaves nothing."""
    made = tightest(terms)
    assert made == tightest(reversed(terms))
    if not terms or None in terms:
        assert made is None
        return
    for one in terms:
        assert made.max_seconds <= one.max_seconds
        assert made.max_uses <= one.max_uses
        assert set(made.any) <= set(one.any)
        assert made.any_thread <= one.any_thread
        if one.up_to is not None:
            assert all(micro(most) <= micro(one.up_to[name]) for name, most in made.up_to.items())


@given(AMOUNT)
def test_law_amounts_are_exact(text):
    assert amount_text(micro(text)) == text


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_law_a_number_is_never_counted_as_less_than_it_is(value):
    counted = amount_of(value)
    if counted is None:
        assert not 0 <= value <= 999_999_999
    else:
        assert counted / 1_000_000 >= value * (1 - 1e-12)
