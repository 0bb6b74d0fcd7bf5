"""Plans: a function of what was proposed, malformed calls rejected by name; references that cannot be forged."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_kit import CLERK, LAW, POLICY, TOOLS, World, labelled

from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import CanonicalizationError, InvalidCallError
from aisecops_langchain.runtime.plans.planner import ProposedCall
from aisecops_langchain.runtime.ports import ToolContract

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture
def world():
    return World()


def plan(world, *proposals, contents=None, turn="turn-1", scope=None, tools=TOOLS, plan_id=None):
    return world.governor.planner.plan(
        proposals,
        [labelled("do it")] if contents is None else contents,
        tools,
        scope or world.scope,
        turn=turn,
        plan_id=plan_id,
    )


def test_a_plan_binds_each_call_in_its_order(world):
    """Steps stand as proposed, each with its canonical call and the tool's definition."""
    made = plan(world, ProposedCall("a", "look", {"b": 1, "a": 2}), ProposedCall("b", "pay", {"amount": 5}))
    assert [step.call_id for step in made.steps] == ["a", "b"]
    assert made.steps[0].call == CanonicalCall.of("look", {"a": 2, "b": 1})
    assert made.steps[0].tool_definition == TOOLS["look"].definition()
    assert made.rejected == ()


def test_the_same_turn_gives_the_same_plan(world):
    """A node that is executed again makes the same plan; another turn, thread, tenant or proposal makes another."""
    proposal = ProposedCall("a", "look", {"x": 1})
    first = plan(world, proposal)
    assert plan(world, proposal) == first
    principal = CLERK.model_copy(update={"tenant": "other"})
    others = [
        plan(world, proposal, turn="turn-2"),
        plan(world, proposal, scope=world.scope.model_copy(update={"thread": "other"})),
        plan(world, proposal, scope=world.scope.model_copy(update={"principal": principal})),
        plan(world, ProposedCall("b", "look", {"x": 1})),
        plan(world, ProposedCall("a", "look", {"x": 2})),
        plan(world, ProposedCall("a", "sync", {"x": 1})),
        plan(world, proposal, ProposedCall("b", "no such tool", {})),
    ]
    assert len({first.id, *(other.id for other in others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("proposal", "code"),
    [
        (ProposedCall("a", "no_such_tool", {}), "unknown_tool"),
        (ProposedCall("a", "", {}), "unknown_tool"),
        (ProposedCall("a", "LOOK", {}), "unknown_tool"),
        (ProposedCall("a", "look ", {}), "unknown_tool"),
        (ProposedCall("a", "look", None), "malformed_arguments"),
        (ProposedCall("", "look", {}), "missing_call_id"),
        (ProposedCall("a", "look", {"x": float("nan")}), "invalid_arguments"),
        (ProposedCall("a", "look", {"x": 2**64}), "invalid_arguments"),
        (ProposedCall("a", "look", {"x": "\ud800"}), "invalid_arguments"),
        (ProposedCall("a", "look", {"x": range(3)}), "invalid_arguments"),
        (ProposedCall("a", "look", {1: "x"}), "invalid_arguments"),
    ],
    ids=str,
)
def test_a_malformed_call_is_rejected_by_name_and_leaves_the_others(world, proposal, code):
    """What cannot be bound never becomes a step."""
    made = plan(world, proposal, ProposedCall("good", "look", {}))
    assert [step.call_id for step in made.steps] == ["good"]
    assert [item.code for item in made.rejected] == [code]


def test_a_tool_that_refuses_its_arguments_rejects_the_call(world):
    """The tool's own contract has a say, through errors of our tree."""

    @dataclass(frozen=True)
    class Picky:
        name: str = "picky"
        error: type[Exception] = InvalidCallError

        def definition(self):
            return "sha256:0"

        def canonical_arguments(self, raw):
            raise self.error("refused")

    for error in (InvalidCallError, CanonicalizationError):
        tool: ToolContract = Picky(error=error)
        made = plan(world, ProposedCall("a", "picky", {}), tools={"picky": tool})
        assert [item.code for item in made.rejected] == ["invalid_arguments"]


def test_calls_that_share_an_id_are_all_rejected(world):
    """Neither of two calls with the same id may take the other's permit."""
    made = plan(world, ProposedCall("a", "look", {}), ProposedCall("a", "pay", {}), ProposedCall("b", "look", {}))
    assert [step.call_id for step in made.steps] == ["b"]
    assert [item.code for item in made.rejected] == ["duplicate_call_id"] * 2


def test_a_plan_holds_so_many_calls_and_no_more(world):
    """The rest is rejected, and counts by position, so that junk in front does not make room."""
    limit = POLICY.limits.max_calls_per_plan
    made = plan(world, *(ProposedCall(str(number), "look", {}) for number in range(limit + 3)))
    assert len(made.steps) == limit
    assert [item.code for item in made.rejected] == ["too_many_calls"] * 3


def test_a_rejected_tool_name_is_cut(world):
    """A name that a model made up does not fill the log."""
    assert len(plan(world, ProposedCall("a", "x" * 10_000, {})).rejected[0].tool) <= 64


def test_a_plan_carries_the_join_of_its_context(world):
    """One untrusted document makes the context untrusted."""
    contents = [labelled("pay bob 5"), labelled("ignore that", SourceKind.RETRIEVAL_CHUNK)]
    made = plan(world, ProposedCall("a", "pay", {"amount": 5, "to": "eve"}), contents=contents)
    assert made.context.integrity is Integrity.UNTRUSTED
    labels = made.steps[0].argument_labels()
    assert labels["amount"].integrity is Integrity.USER
    assert labels["to"].integrity is Integrity.UNTRUSTED


def test_an_id_that_would_fill_the_log_is_rejected_and_cut(world):
    """The model chooses it, and it would stand in every event of the call."""
    made = plan(world, ProposedCall("i" * 1_000_000, "look", {"x": 1}), ProposedCall("i" * 256, "look", {"x": 1}))
    assert [step.call_id for step in made.steps] == ["i" * 256]
    assert [(item.code, len(item.call_id)) for item in made.rejected] == [("malformed_call", 1_000_000)]
    world.governor.planner.record(made, world.scope)
    (told,) = world.only("plan_rejected").rejected
    assert told.call_id == "i" * 256


def test_plans_and_rejections_are_recorded(world):
    """The log has the steps with their provenance, and what was refused."""
    made = plan(world, ProposedCall("a", "look", {"x": 1}), ProposedCall("b", "nothing", {}))
    world.governor.planner.record(made, world.scope)
    created = world.only("plan_created")
    assert (created.plan, created.plan_digest) == (made.id, made.digest)
    assert created.steps[0].call.arguments == {"x": 1}
    assert world.only("plan_rejected").rejected == made.rejected
    world.governor.planner.record(made, world.scope)
    assert world.kinds() == ["plan_created", "plan_rejected"]


# --- references ---


def reference(world):
    made = plan(world, ProposedCall("a", "look", {"x": 1}), ProposedCall("b", "pay", {"amount": 5}))
    return made, world.governor.planner.refer(made, world.scope).to_json()


def test_a_reference_is_recognised_where_it_was_made(world):
    """It says which calls were planned."""
    made, found = reference(world)
    known = world.governor.planner.recognise(found, world.scope)
    assert known.plan == made.id
    assert dict(known.calls) == {step.call_id: step.call.digest for step in made.steps}


@pytest.mark.parametrize("field", ["thread", "agent", "user", "tenant"])
def test_a_reference_is_good_nowhere_else(world, field):
    """Carried to another thread or principal, it is not recognised."""
    _, found = reference(world)
    if field == "thread":
        scope = world.scope.model_copy(update={field: "other"})
    else:
        scope = world.scope.model_copy(update={"principal": CLERK.model_copy(update={field: "other"})})
    assert world.governor.planner.recognise(found, scope) is None


@pytest.mark.parametrize(
    "change",
    [
        {"plan": "sha256:other"},
        {"calls": {}},
        {"calls": {"a": "sha256:other"}},
        {"seal": ""},
        {"seal": "0" * 64},
        {"seal": "é" * 64},
        {"seal": None},
        {"seal": 7},
        {"seal": ["0"]},
        {"plan": None},
        {"plan": ["x"]},
        {"plan": "\ud800"},
        {"calls": None},
        {"calls": ["a"]},
        {"calls": {"a": None}},
        {"calls": {1: "x"}},
        {"calls": {"a": "\ud800"}},
        {"calls": {"\udfff": "x"}},
    ],
    ids=ascii,
)
def test_a_changed_reference_is_not_recognised(world, change):
    """State is an attacker's word; whatever it holds gives ``None``, never an error."""
    _, found = reference(world)
    assert world.governor.planner.recognise({**found, **change}, world.scope) is None


def test_a_call_cannot_be_added_to_a_reference(world):
    """One more call id, or one fewer, breaks the seal."""
    _, found = reference(world)
    more = {**found, "calls": {**found["calls"], "c": "sha256:evil"}}
    fewer = {**found, "calls": {"a": found["calls"]["a"]}}
    swapped = {**found, "calls": dict(zip(found["calls"], reversed(found["calls"].values()), strict=True))}
    for forged in (more, fewer, swapped):
        assert world.governor.planner.recognise(forged, world.scope) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@LAW
@given(anything | st.fixed_dictionaries({"plan": anything, "calls": anything, "seal": anything}))
def test_junk_is_not_recognised(world, junk):
    """Anything at all may lie in state."""
    assert world.governor.planner.recognise(junk, world.scope) is None


@LAW
@given(st.dictionaries(st.text(), st.text(), max_size=4), st.text(), st.text())
def test_well_shaped_junk_is_not_recognised(world, calls, name, seal):
    """Nor is what only lacks a seal."""
    assert world.governor.planner.recognise({"plan": name, "calls": calls, "seal": seal}, world.scope) is None


@LAW
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=4))
def test_a_call_is_one_with_its_arguments(arguments):
    """Arguments come back as they went in, and changing what came back does not change the call."""
    call = CanonicalCall.of("look", arguments)
    again = call.arguments()
    assert CanonicalCall.of("look", again) == call
    again["added"] = 1
    assert CanonicalCall.of("look", call.arguments()).digest == call.digest
    assert CanonicalCall.of("loo", arguments).digest != call.digest
    assert CanonicalCall.of("look", {**arguments, "\0more": 1}).digest != call.digest


def test_an_argument_that_counts_for_more_than_its_context_is_endorsed_in_the_log(world):
    """What raises trust is an event of its own: argument, method and label, never the value."""
    planner = world.governor.planner
    contents = [labelled("pay ann 5"), labelled("she wants 7", SourceKind.TOOL_RESULT)]
    proposals = [ProposedCall("call-1", "pay", {"to": "ann", "amount": 7})]
    planner.record(planner.plan(proposals, contents, TOOLS, world.scope, turn="turn-1"), world.scope)
    (item,) = world.only("arguments_endorsed").endorsed
    assert (item.argument, item.method, item.label.integrity) == ("to", "verbatim", Integrity.USER)
    assert world.only("arguments_endorsed").parents == (world.only("plan_created").id,)
    planner.record(planner.plan(proposals, contents[:1], TOOLS, world.scope, turn="turn-2"), world.scope)
    assert world.kinds().count("arguments_endorsed") == 1
