"""Planned against decided against executed, and run against run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_factory import (
    PLAN,
    POLICY,
    Story,
    about,
    allowed_story,
    asked,
    completed,
    decided,
    governed_story,
    permitted,
    planned,
    recorded,
    started,
    untrusted,
)

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalGranted,
    ApprovalRejected,
    ContentAdmitted,
    ExecutionBlocked,
    ModelStarted,
    RecordedCall,
    RunStarted,
)
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics import Trace, traces_of
from aisecops_langchain.forensics.diff import Verdict, WithinRun, compare_runs, compare_within
from aisecops_langchain.forensics.diff.align import MOST_STEPS, align
from aisecops_langchain.forensics.diff.steps import Step

BOB = Approver(id="bob", verified=True)
CHEAP = recorded("pay", "call-1", {"amount": 1})
DEAR = recorded("pay", "call-1", {"amount": 999})


def only(story: Story) -> Trace:
    (trace,) = traces_of(story.events)
    return trace


def one(story: Story) -> WithinRun:
    (found,) = compare_within(only(story))
    return found


def begun() -> Story:
    story = Story()
    story.add(RunStarted)
    return story


def test_a_lawful_call_ran_as_planned() -> None:
    found = one(allowed_story())
    assert (found.verdict, found.departures, found.problems) == (Verdict.AS_PLANNED, (), ())


def test_a_refused_call_did_not_run() -> None:
    story = begun()
    planned(story, DEAR)
    decided(story, DEAR, Effect.DENY)
    assert one(story).verdict is Verdict.REFUSED


def test_a_call_that_a_person_refused_did_not_run() -> None:
    story = begun()
    planned(story, DEAR)
    decided(story, DEAR, Effect.REQUIRE_APPROVAL)
    asked(story, DEAR)
    assert one(story).verdict is Verdict.NOT_RUN
    story.add(ApprovalRejected, **about(DEAR), approval="approval-1", approver=BOB)
    assert one(story).verdict is Verdict.REFUSED


def test_an_edit_is_lawful_and_named() -> None:
    story = begun()
    planned(story, DEAR)
    decided(story, DEAR, Effect.REQUIRE_APPROVAL)
    asked(story, DEAR)
    story.add(ApprovalGranted, **about(DEAR), approval="approval-1", approver=BOB, edited=CHEAP.digest)
    decided(story, CHEAP, Effect.REQUIRE_APPROVAL)
    permitted(story, CHEAP, approval="approval-1")
    started(story, CHEAP)
    completed(story, CHEAP)
    found = one(story)
    assert (found.verdict, found.problems) == (Verdict.AS_EDITED, ())
    assert found.step.arguments == {"amount": 1}


def _not_permitted(story: Story) -> None:
    planned(story, CHEAP)
    decided(story, CHEAP, Effect.ALLOW)
    started(story, CHEAP)


def _permitted_other(story: Story) -> None:
    planned(story, CHEAP)
    decided(story, CHEAP, Effect.ALLOW)
    permitted(story, DEAR)
    started(story, DEAR)


def _executed_other(story: Story) -> None:
    planned(story, CHEAP)
    decided(story, CHEAP, Effect.ALLOW)
    permitted(story, CHEAP)
    started(story, DEAR)


def _decided_other(story: Story) -> None:
    planned(story, CHEAP)
    decided(story, DEAR, Effect.ALLOW)


def _decided_unplanned(story: Story) -> None:
    decided(story, DEAR, Effect.ALLOW)


def _permitted_undecided(story: Story) -> None:
    planned(story, CHEAP)
    permitted(story, CHEAP)


def _permitted_before_decided(story: Story) -> None:
    planned(story, CHEAP)
    permitted(story, CHEAP)
    decided(story, CHEAP, Effect.ALLOW)


def _permitted_denied(story: Story) -> None:
    planned(story, CHEAP)
    decided(story, CHEAP, Effect.DENY)
    permitted(story, CHEAP)


@pytest.mark.parametrize(
    ("tell", "departure"),
    [
        (_not_permitted, "executed_but_not_permitted"),
        (_permitted_other, "permitted_other_than_decided"),
        (_executed_other, "executed_other_than_permitted"),
        (_decided_other, "decided_other_than_planned"),
        (_decided_unplanned, "decided_but_not_planned"),
        (_permitted_undecided, "permitted_but_not_decided"),
        (_permitted_before_decided, "permitted_but_not_decided"),
        (_permitted_denied, "permitted_though_denied"),
    ],
)
def test_each_departure_is_a_violation_with_a_name(tell, departure: str) -> None:
    story = begun()
    tell(story)
    found = one(story)
    assert found.verdict is Verdict.VIOLATION
    assert departure in found.departures


def test_a_denial_after_a_permit_that_was_voided_is_no_violation() -> None:
    story = begun()
    planned(story, CHEAP)
    decided(story, CHEAP, Effect.ALLOW)
    permitted(story, CHEAP)
    decided(story, CHEAP, Effect.DENY)
    assert one(story).verdict is Verdict.REFUSED


def test_what_wanted_to_run_without_a_permit_and_did_not_is_named() -> None:
    story = begun()
    story.add(ExecutionBlocked, **about(DEAR), permit="forged", code="forged_permit", reason="")
    found = one(story)
    assert found.verdict is Verdict.KEPT
    assert found.step.blocked == (DEAR.digest,)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(governed_story().events), min_size=1, unique_by=lambda event: event.id))
def test_a_run_does_not_differ_from_itself(events: list[AnyEvent]) -> None:
    (trace,) = traces_of(events)
    found = compare_runs(trace, trace)
    assert (found.changed, found.only_first, found.only_second, found.flipped) == ((), (), (), 0)
    assert found.effects_only_first == found.effects_only_second == ()


def run_of(trace: str, *calls: tuple[RecordedCall, Effect], policy: str = POLICY, model: str = "a") -> Trace:
    story = Story(trace)
    story.add(RunStarted)
    story.add(ModelStarted, run="r", name=model, input_digest="sha256:i")
    planned(story, *(call for call, _ in calls))
    for number, (call, effect) in enumerate(calls):
        decided(story, call, effect, policy=policy)
        if effect is Effect.ALLOW:
            permitted(story, call, f"permit-{number}")
            started(story, call, f"permit-{number}")
            completed(story, call, f"permit-{number}")
    return only(story)


def test_two_runs_are_compared_step_by_step() -> None:
    look, note = recorded("look", "l", {"q": "x"}), recorded("note", "n", {"t": "y"})
    first = run_of("a", (look, Effect.ALLOW), (CHEAP, Effect.ALLOW))
    second = run_of("b", (look, Effect.ALLOW), (note, Effect.ALLOW), (DEAR, Effect.DENY), policy="sha256:b", model="b")
    found = compare_runs(first, second)
    assert found.same == 1
    (pay,) = found.changed
    assert [(item.argument, item.first, item.second) for item in pay.arguments] == [("amount", "1", "999")]
    assert pay.decision == (Effect.ALLOW, Effect.DENY)
    assert found.flipped == 1
    assert [item.tool for item in found.only_second] == ["note"]
    assert [step.tool for step in found.effects_only_first] == ["pay"]
    assert [step.tool for step in found.effects_only_second] == ["note"]
    assert (found.first.models, found.second.models) == (("a",), ("b",))
    assert found.second.policies == ("sha256:b",)


def test_withheld_values_are_compared_by_commitment_and_never_shown() -> None:
    def withheld(commitment: str) -> RecordedCall:
        hidden = {"$withheld": "email", "commitment": commitment}
        return recorded("mail", "m", {"to": hidden}).model_copy(update={"complete": False})

    one, other = (withheld("1" * 64), Effect.ALLOW), (withheld("2" * 64), Effect.ALLOW)
    assert compare_runs(run_of("a", one), run_of("b", one)).changed == ()
    found = compare_runs(run_of("a", one), run_of("b", other))
    ((change,),) = (item.arguments for item in found.changed)
    assert change.withheld
    assert (change.first, change.second) == ("<withheld: email>", "<withheld: email>")


def test_content_that_only_one_run_read_is_named() -> None:
    first, second = begun(), begun()
    first.add(ContentAdmitted, **untrusted("letter"))
    found = compare_runs(only(first), only(second))
    assert [source.name for source in found.first.sources] == ["letter"]
    assert found.second.sources == ()


def test_very_long_runs_are_compared_up_to_a_bound_and_that_is_said() -> None:
    calls = [(recorded("look", f"c{number}", {}), Effect.DENY) for number in range(MOST_STEPS + 1)]
    found = compare_runs(run_of("a", *calls), run_of("b", *calls[:1]))
    assert found.notes[0].startswith("CUT: only the first 1000 of 1001")


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_alignment_loses_nothing_and_keeps_the_order(first: list[str], second: list[str]) -> None:
    steps = [Step(plan=PLAN, call_id=str(number), tool=tool) for number, tool in enumerate(first)]
    others = [Step(plan=PLAN, call_id=str(number), tool=tool) for number, tool in enumerate(second)]
    pairs = align(steps, others)
    assert [one for one, _ in pairs if one is not None] == steps
    assert [other for _, other in pairs if other is not None] == others
    assert all(one.tool == other.tool for one, other in pairs if one is not None and other is not None)
