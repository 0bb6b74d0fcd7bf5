"""Traces are rebuilt from a set of events, whatever order they come in."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from trace_factory import START, Story, allowed_story, governed_story

from aisecops_langchain.domain.events import AnyEvent, RunFinished, RunStarted
from aisecops_langchain.forensics import Trace, problems_of, summarize, timeline, traces_of
from aisecops_langchain.forensics.problems import ProblemCode

GOVERNED = governed_story().events


def only(events: list[AnyEvent]) -> Trace:
    (trace,) = traces_of(events)
    return trace


def codes(events: list[AnyEvent]) -> set[ProblemCode]:
    return {problem.code for problem in problems_of(only(events))}


@given(st.permutations(GOVERNED), st.lists(st.sampled_from(GOVERNED)))
def test_order_and_repetition_of_events_change_nothing(shuffled: list[AnyEvent], repeated: list[AnyEvent]) -> None:
    told = only([*repeated, *shuffled])
    assert summarize(told) == summarize(only(GOVERNED))
    assert timeline(told) == timeline(only(GOVERNED))


@given(st.lists(st.sampled_from(GOVERNED), min_size=1, unique_by=lambda event: event.id), st.randoms())
def test_any_part_of_a_log_can_be_told_and_its_order_does_not_matter(events: list[AnyEvent], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert summarize(only(shuffled)) == summarize(only(events))
    assert len(timeline(only(events))) == len(events)


def test_traces_are_told_apart_and_ordered_by_their_beginning() -> None:
    later = allowed_story("a-later-trace")
    moved = [event.model_copy(update={"time": event.time + timedelta(hours=1)}) for event in later.events]
    traces = traces_of([*moved, *GOVERNED])
    assert [trace.id for trace in traces] == ["trace-1", "a-later-trace"]
    assert [len(trace.events) for trace in traces] == [len(GOVERNED), len(moved)]


def test_a_cause_stands_before_its_effect_even_where_the_clock_went_back() -> None:
    story = Story()
    cause = story.add(RunStarted, time=START + timedelta(hours=1))
    story.add(RunFinished, time=START, parents=(cause.id,), outcome="completed")
    assert [event.kind for event in only(story.events).events] == ["run_started", "run_finished"]


def test_events_of_one_instant_stand_in_lawful_order() -> None:
    at_once = [event.model_copy(update={"time": START, "parents": ()}) for event in allowed_story().events]
    assert problems_of(only(list(reversed(at_once)))) == ()


def test_a_parent_that_the_log_does_not_hold_is_named() -> None:
    without = [event for event in GOVERNED if event.kind != "approval_requested"]
    assert {ProblemCode.MISSING_PARENT, ProblemCode.ANSWER_WITHOUT_REQUEST} <= codes(without)


def test_events_that_cause_each_other_are_all_told_and_reported() -> None:
    story = Story()
    story.add(RunStarted, parents=("trace-1-001",))
    story.add(RunFinished, parents=("trace-1-000",), outcome="completed")
    assert len(only(story.events).events) == 2
    assert ProblemCode.CAUSAL_CYCLE in codes(story.events)


def test_two_facts_under_one_id_are_reported_and_the_order_of_input_picks_neither() -> None:
    story = allowed_story()
    forged = story.events[-1].model_copy(update={"outcome": "failed"})
    assert ProblemCode.CONFLICTING_EVENT in codes([*story.events, forged])
    assert summarize(only([forged, *story.events])) == summarize(only([*story.events, forged]))


def test_content_that_was_recorded_twice_with_other_sizes_is_reported() -> None:
    content = next(event for event in GOVERNED if event.kind == "content_sanitized")
    assert ProblemCode.CONFLICTING_EVENT in codes([*GOVERNED, content.model_copy(update={"size": 1})])


def test_the_same_fact_recorded_again_later_is_no_conflict() -> None:
    story = allowed_story()
    again = story.events[0].model_copy(update={"time": START + timedelta(minutes=5)})
    assert problems_of(only([again, *story.events])) == ()
    assert summarize(only([again, *story.events])).started == START


def test_a_run_that_goes_on_under_another_user_or_thread_is_reported() -> None:
    story = allowed_story()
    stranger = story.events[-1].principal.model_copy(update={"user": "mallory"})
    changed = story.events[-1].model_copy(update={"principal": stranger, "thread": "thread-2"})
    expected = {ProblemCode.SEVERAL_PRINCIPALS, ProblemCode.SEVERAL_THREADS}
    assert codes([*story.events[:-1], changed]) == expected


def test_another_agent_of_the_same_user_is_lawful_delegation() -> None:
    story = allowed_story()
    helper = story.events[1].principal.model_copy(update={"agent": "researcher"})
    changed = story.events[1].model_copy(update={"principal": helper})
    assert codes([story.events[0], changed, *story.events[2:]]) == set()
