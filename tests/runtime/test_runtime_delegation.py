"""Delegation by attack: a warrant lets through what every link of its chain lets through, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import LAW, World, labelled

from aisecops_langchain.domain.decision import Decision, DecisionRequest, Effect, Stage
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.principal import Delegator, Principal
from aisecops_langchain.domain.warrant import Warrant, WarrantLink, chain_fault
from aisecops_langchain.errors import PermitError, WarrantError
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.runtime.decisions.budgets import Demand
from aisecops_langchain.runtime.decisions.verdicts import Denied, NeedsApproval, Permitted
from aisecops_langchain.runtime.principals.warrants import WarrantSigner
from aisecops_langchain.sealing import Sealer

AGENTS = ("boss", "clerk", "intern", "temp")
TOOLS = ("look", "sync", "pay", "wipe")

POLICY = parse_policy("""
version: 1
id: delegation
agents:
  boss: {capabilities: [reading, syncing, paying]}
  clerk: {capabilities: [reading, syncing, paying, wiping]}
  intern: {capabilities: [reading, paying]}
  temp: {capabilities: [reading, syncing, paying, wiping]}
capabilities:
  reading: {tools: [look]}
  syncing: {tools: [sync]}
  paying: {tools: [pay]}
  wiping: {tools: [wipe]}
rules:
  - {id: all, effect: allow, tools: [look, sync, wipe, pay]}
  - {id: big, effect: deny, tools: [pay], when: {args.amount: {gt: 100}}}
  - {id: boss-asks, effect: require_approval, tools: [pay], agents: [boss], when: {args.amount: {gt: 10}}}
budgets:
  calls: {measure: calls, limit: 1000}
  spend: {measure: writes, limit: 1000}
  time: {measure: seconds, limit: 10000}
""")

BOSS = Principal(agent="boss", user="ann", tenant="acme", issuer="https://login.example")


class Firm(World):
    """A world with several agents."""

    def __init__(self) -> None:
        super().__init__(policy=POLICY)
        self.scope = self.scope.model_copy(update={"principal": BOSS})
        self.delegations = self.governor.delegations

    def act_as(self, warrant: Warrant) -> None:
        """Go on as whoever holds a warrant, in a run of its own."""
        principal = self.delegations.present(warrant)
        self.scope = self.scope.model_copy(update={"principal": principal, "thread": "thread-sub", "trace": "cd" * 16})

    def delegate(self, agent="clerk", **kw):
        return self.governor.delegate(self.scope, agent=agent, **{"tools": ["look", "pay"], "depth": 2, **kw})

    def refusals(self):
        return [event.code for event in self.sink.events if event.kind == "warrant_refused"]


@pytest.fixture
def firm():
    return Firm()


def why(firm: Firm) -> str:
    """Code of the first reason of the last decision."""
    made = [event for event in firm.sink.events if event.kind == "decision_made"][-1]
    return made.decision.reasons[0].code


def test_a_delegated_call_runs_under_the_whole_chain_and_its_events_name_it(firm):
    firm.act_as(firm.delegate(values={"pay": {"to": ["ann", "bob"]}}))
    proposal = firm.propose("pay", amount=5, to="bob")
    running = firm.begin(proposal)
    principal = running.binding.scope.principal
    assert [link.agent for link in principal.delegators] == ["boss"]
    assert (principal.user, principal.tenant, principal.verified) == ("ann", "acme", True)
    assert firm.only("execution_started").principal == principal
    assert firm.only("warrant_issued").claims.run == "thread-1"


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("sync", {}, "warrant_narrower"),  # the clerk may, the warrant does not
        ("pay", {"amount": 5, "to": "eve"}, "warrant_narrower"),
        ("pay", {"amount": 5}, "warrant_narrower"),  # a limited argument may not be left out
        ("pay", {"amount": 5, "to": ["bob"]}, "warrant_narrower"),
        ("pay", {"amount": 500, "to": "bob"}, "rule"),  # the clerk's own rules
        ("wipe", {}, "delegator_denied"),  # warrant and clerk would, the boss may not
    ],
)
def test_what_one_link_does_not_allow_is_denied_with_the_reason(firm, tool, arguments, code):
    firm.act_as(firm.delegate(tools=["look", "pay", "wipe"], values={"pay": {"to": ["bob"]}}))
    assert isinstance(firm.decide(firm.propose(tool, **arguments)), Denied)
    assert why(firm) == code
    assert firm.kinds().count("permit_issued") == 0


def test_a_delegator_who_would_have_to_ask_makes_the_delegate_ask(firm):
    firm.act_as(firm.delegate())
    assert isinstance(firm.decide(firm.propose("pay", amount=50)), NeedsApproval)
    assert why(firm) == "delegator_requires_approval"
    assert isinstance(firm.decide(firm.propose("pay", "call-2", amount=5)), Permitted)


def forged_with_another_key(warrant):
    other = WarrantSigner(Sealer(b"x" * 32))
    return Warrant(links=tuple(other.sign(link.claims) for link in warrant.links))


def edited(**update):
    def edit(warrant):
        last = warrant.links[-1]
        claims = last.claims.model_copy(update=update)
        return Warrant(links=(*warrant.links[:-1], WarrantLink(claims=claims, signature=last.signature)))

    return edit


ATTACKS = {
    "another key": (forged_with_another_key, "forged"),
    "more tools": (edited(tools=("look", "pay", "wipe")), "forged"),
    "another subject": (edited(agent="clerk"), "forged"),
    "another user": (edited(user="mallory"), "forged"),
    "a later end": (edited(expires_at=2**62), "forged"),
    "no end at all": (lambda warrant: warrant.model_dump_json().replace("expires_at", "x"), "malformed"),
    "the last link alone": (lambda warrant: Warrant(links=warrant.links[-1:]), "incomplete"),
    "a link left out": (lambda warrant: Warrant(links=(warrant.links[0], warrant.links[2])), "broken_chain"),
    "a link twice": (lambda warrant: Warrant(links=(*warrant.links, warrant.links[-1])), "cyclic"),
    "not a warrant": (lambda _: b"warrant", "malformed"),
    "a megabyte": (lambda _: '{"links":' + "[" * 1_000_000, "malformed"),
    "deep nesting": (lambda _: "[" * 60_000, "malformed"),
    "another algorithm": (lambda w: w.model_dump_json().replace('"v":1', '"v":2'), "malformed"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_warrant_that_was_tampered_with_is_refused_and_recorded(firm, attack):
    change, code = ATTACKS[attack]
    for agent in ("clerk", "intern", "temp"):
        warrant = firm.delegate(agent, depth=3 - len(firm.scope.principal.delegators), tools=["look"])
        firm.act_as(warrant)
    with pytest.raises(WarrantError) as caught:
        firm.delegations.present(change(warrant))
    assert caught.value.code == code
    assert firm.refusals() == [code]


def test_a_warrant_is_good_for_no_other_agent_and_no_other_user(firm):
    warrant = firm.delegate()
    with pytest.raises(WarrantError, match="another agent"):
        firm.delegations.present(warrant, agent="temp")
    for update in ({"user": "mallory"}, {"tenant": "other"}, {"issuer": "https://mallory.example"}, {"issuer": ""}):
        with pytest.raises(WarrantError, match="another user"):
            firm.delegations.present(warrant, identity=BOSS.model_copy(update=update))
    assert firm.delegations.present(warrant, agent="clerk", identity=BOSS).agent == "clerk"


def test_a_chain_that_nobody_signed_lets_nothing_through(firm):
    """Delegators in a principal are a claim, and so is leaving some of them out."""
    firm.act_as(firm.delegate())
    true = firm.scope.principal
    invented = (Delegator(agent="boss", warrant="sha256:invented"),)
    for chain in (invented, (*true.delegators, *invented)):
        firm.scope = firm.scope.model_copy(update={"principal": true.model_copy(update={"delegators": chain})})
        assert isinstance(firm.decide(firm.propose("look")), Denied)
        assert why(firm) == "warrant_unknown"
    for update in ({"user": "mallory"}, {"tenant": "other"}, {"agent": "temp"}, {"issuer": ""}):
        firm.scope = firm.scope.model_copy(update={"principal": true.model_copy(update=update)})
        assert isinstance(firm.decide(firm.propose("look")), Denied)


@pytest.mark.parametrize("nothing", ["", "researcher", "sha256:12", "{}", "sha256:" + "g" * 64])
def test_revoking_what_is_no_warrant_is_an_error_and_not_a_silence(firm, nothing):
    """Who believes that a warrant is revoked must not be left in that belief by a slip."""
    with pytest.raises(WarrantError):
        firm.delegations.revoke(nothing)
    assert firm.governor.stops.orders() == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda firm, _: firm.clock.advance(601), "warrant_expired"),
        (lambda firm, _: firm.clock.advance(-3600), "warrant_not_yet_valid"),
        (lambda firm, warrant: firm.delegations.revoke(warrant), "warrant_revoked"),
        (lambda firm, warrant: firm.delegations.revoke(warrant.model_dump_json()), "warrant_revoked"),
        (lambda firm, warrant: firm.delegations.revoke(warrant.claims.digest()), "warrant_revoked"),
    ],
    ids=["expired", "clock set back", "revoked", "revoked by its text", "revoked by its digest"],
)
@pytest.mark.parametrize("whose", ["its own", "its parent's"])
def test_a_warrant_that_fell_keeps_decisions_and_permits_from_counting(firm, change, code, whose):
    """Also for a call that was permitted before, and for all that was derived from the warrant."""
    parent = firm.delegate(expires_in=600)
    firm.act_as(parent)
    own = firm.delegate("intern", expires_in=600, depth=1)
    firm.act_as(own)
    before = firm.propose("look")
    permit = firm.permit(before)
    change(firm, own if whose == "its own" else parent)
    with pytest.raises(PermitError) as caught:
        firm.begin(before, permit.id)
    assert caught.value.code in (code, "stopped")
    assert firm.only("execution_blocked").code == caught.value.code
    assert isinstance(firm.decide(firm.propose("look", "call-2", turn="2")), Denied)
    assert why(firm) in (code, "stopped")
    with pytest.raises(WarrantError):
        firm.delegate("temp", depth=0)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"tools": ["look", "sync"]}, "widened"),
        ({"values": {"pay": {"to": ["bob", "eve"]}}}, "widened"),
        ({"budget": {"calls": 11}}, "widened"),
        ({"agent": "boss"}, "cyclic"),
        ({"agent": "clerk"}, "cyclic"),
        ({"agent": "stranger"}, "unknown_agent"),
        ({"depth": 1}, "too_deep"),
        ({"tools": []}, "malformed"),
        ({"expires_in": 0}, "lifetime"),
        ({"expires_in": float("nan")}, "lifetime"),
        ({"expires_in": 10**30}, "lifetime"),
        ({"budget": {"calls": -1}}, "malformed"),
        ({"budget": {"cals": 1}}, "unknown_budget"),
        ({"budget": {"time": 1}}, "unknown_budget"),
        ({"values": {"pay": {"to": [2**70]}}}, "malformed"),
    ],
)
def test_nobody_passes_on_what_he_does_not_hold(firm, asked, code):
    firm.act_as(firm.delegate(depth=1, values={"pay": {"to": ["bob"]}}, budget={"calls": 10}))
    with pytest.raises(WarrantError) as caught:
        firm.delegate(**{"agent": "intern", "depth": 0, **asked})
    assert caught.value.code == code
    assert firm.refusals() == [code]
    kept = firm.delegate("intern", depth=0, expires_in=80_000).claims
    assert (kept.values, kept.budget) == ({"pay": {"to": ("bob",)}}, {"calls": 10})
    assert kept.expires_at == firm.delegations.standing(firm.scope.principal).claims.expires_at


grants = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(AGENTS),
        "tools": st.lists(st.sampled_from(TOOLS), min_size=1, max_size=4),
        "expires_in": st.integers(1, 900),
        "depth": st.integers(0, 3),
        "values": st.dictionaries(
            st.sampled_from(TOOLS),
            st.dictionaries(st.sampled_from(["to", "amount"]), st.lists(st.sampled_from(["bob", 1, 1.0, True]))),
        ),
        "budget": st.dictionaries(st.sampled_from(["calls", "spend"]), st.integers(1, 5)),
    }
)
calls = [
    CanonicalCall.of(tool, arguments)
    for tool in TOOLS
    for arguments in (
        {},
        *({"to": to, "amount": amount} for to in ("bob", "eve", 1) for amount in (1, 1.0, True, 50, 500)),
    )
]
_STRICTNESS = {Effect.ALLOW: 0, Effect.REQUIRE_APPROVAL: 1, Effect.DENY: 2}


def answers(firm: Firm, principal: Principal) -> list[Decision]:
    """What the gate's authority says to every call of a small universe."""
    scope = firm.scope.model_copy(update={"principal": principal})
    found = []
    for call in calls:
        profile, ceilings = POLICY.profile(call.tool), firm.delegations.ceilings(principal)
        usage = firm.governor.oversight._budgets.usage(
            POLICY.bounds, Demand(call.tool, call.arguments(), profile, scope, ceilings)
        )
        request = DecisionRequest(principal=principal, call=call, context=labelled("x").label, usage=usage)
        binding = Binding(call_id="c", call=call.digest, tool=call.tool, tool_definition="", plan="p", scope=scope)
        found.append(firm.governor._authority.narrow(request, POLICY.decide(request), binding))
    return found


@LAW
@given(st.lists(grants, min_size=1, max_size=5))
def test_a_delegated_grant_never_exceeds_its_parents(asked):
    """However a chain is built, each link's answer to every call is at least as strict as that of the link above."""
    firm = Firm()
    above = answers(firm, BOSS)
    for grant in asked:
        try:
            warrant = firm.governor.delegate(firm.scope, **grant)
        except WarrantError:
            continue
        parent = firm.scope.principal
        firm.act_as(warrant)
        assert chain_fault(tuple(link.claims for link in warrant.links)) is None
        below = answers(firm, firm.scope.principal)
        for child, theirs, call in zip(below, above, calls, strict=True):
            assert _STRICTNESS[child.effect] >= _STRICTNESS[theirs.effect]
            assert child.effect is Effect.DENY or all(link.claims.covers(call) for link in warrant.links)
            assert child.stage is not Stage.DELEGATION or child.effect is Effect.DENY
        assert firm.scope.principal.delegators[:-1] == parent.delegators
        above = below


def acting(firm: Firm, warrant: Warrant, number: int, tool: str = "look", **arguments) -> object:
    firm.act_as(warrant)
    return firm.decide(firm.propose(tool, f"call-{number}", f"turn-{number}", **arguments))


def test_two_children_share_what_their_parent_may_use_and_nobody_lifts_it(firm):
    """Neither delegating, nor another run, nor a person's approval makes more of a ceiling; decisions record it."""
    parent = firm.delegate("clerk", tools=["look", "pay"], budget={"calls": 3, "spend": 5})
    firm.act_as(parent)
    children = [
        firm.delegate(agent, depth=0, budget=budget) for agent, budget in (("intern", {"calls": 2}), ("temp", {}))
    ]
    assert isinstance(acting(firm, children[0], 1), Permitted)
    assert isinstance(acting(firm, children[0], 2), Permitted)
    assert isinstance(acting(firm, children[0], 3), Denied)  # its own
    assert why(firm) == "ceiling_exceeded"
    assert isinstance(acting(firm, children[1], 4), Permitted)
    assert isinstance(acting(firm, children[1], 5), Denied)  # what is left of the parent's
    assert why(firm) == "ceiling_exceeded"
    assert isinstance(acting(firm, parent, 6), Denied)
    made = [event for event in firm.sink.events if event.kind == "decision_made"][-1]
    assert [(item.budget, item.used, item.limit) for item in made.usage.ceilings] == [("calls", 3, 3), ("spend", 3, 5)]
    call = CanonicalCall.of("look", {})
    again = DecisionRequest(principal=firm.scope.principal, call=call, context=labelled("x").label, usage=made.usage)
    assert POLICY.decide(again).shares == made.decision.shares  # the record alone suffices
    fresh = firm.delegations.delegate(BOSS, agent="clerk", tools=["look"], budget={"calls": 1})
    assert isinstance(acting(firm, fresh, 7), Permitted)


def test_a_ceiling_that_the_policy_in_force_does_not_count_denies(firm):
    warrant = firm.delegate(budget={"calls": 9})
    before, _, after = POLICY.bundle_json().partition(b'"calls":{')
    renamed = parse_policy((before + b'"others":{' + after).decode())
    firm.governor.reload(renamed)
    firm.scope = firm.scope.model_copy(update={"policy": renamed.digest})
    assert isinstance(acting(firm, warrant, 1), Denied)
    assert why(firm) == "ceiling_unknown"


@LAW
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=4),
    st.lists(st.integers(0, 4), min_size=1, max_size=14),
)
def test_law_what_runs_under_a_warrant_and_below_it_never_exceeds_its_ceiling(tree, acts):
    """Whatever the tree of warrants and the order of calls, every link holds, and none is refused too early."""
    firm = Firm()
    warrants = [firm.delegate("clerk", tools=["look"], budget={"calls": 6})]
    for number, (above, most) in enumerate(tree):
        firm.act_as(warrants[above % len(warrants)])
        agent = ("intern", "temp")[number % 2]
        try:
            warrants.append(firm.delegate(agent, tools=["look"], depth=1, budget={"calls": most}))
        except WarrantError:
            continue
    ran: dict[str, int] = {}
    for number, chosen in enumerate(acts):
        warrant = warrants[chosen % len(warrants)]
        links = {link.claims.digest(): link.claims.budget["calls"] for link in warrant.links}
        fits = all(ran.get(link, 0) < most for link, most in links.items())
        assert isinstance(acting(firm, warrant, number), Permitted) is fits
        for link in links if fits else ():
            ran[link] = ran.get(link, 0) + 1


def test_a_warrant_crosses_processes_as_text(firm):
    """Another process with the same key reads the same principal; one with another key refuses."""
    text = firm.delegate().model_dump_json()
    assert firm.new_governor().delegations.present(text).delegators[0].agent == "boss"
    firm.sealer = Sealer(b"other" * 8)
    with pytest.raises(WarrantError, match="signature"):
        firm.new_governor().delegations.present(text)
