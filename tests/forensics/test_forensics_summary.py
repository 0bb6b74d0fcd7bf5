"""What a summary counts."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from trace_factory import (
    START,
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
)

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    ApprovalAnswerRefused,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    ApprovalVoted,
    ExecutionBlocked,
    ExecutionFailed,
    ExecutionUnknown,
    ModelFailed,
    ModelStarted,
    RunPaused,
    RunResumed,
    RunStarted,
)
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics import Summary, summarize, traces_of
from aisecops_langchain.forensics.effects import RecordedState
from aisecops_langchain.forensics.summary import Outcome

CALL = recorded("pay", "call-1", {"amount": 5})


def summary_of(story: Story) -> Summary:
    (trace,) = traces_of(story.events)
    return summarize(trace)


def effect_after(*kinds: str) -> RecordedState:
    story = Story()
    planned(story, CALL)
    facts = {**about(CALL), "permit": "permit-1"}
    steps = {
        "permit": lambda: permitted(story, CALL),
        "start": lambda: started(story, CALL),
        "complete": lambda: completed(story, CALL),
        "fail": lambda: story.add(ExecutionFailed, **facts, error="ValueError"),
        "lose": lambda: story.add(ExecutionUnknown, **facts, reason="killed"),
        "block": lambda: story.add(ExecutionBlocked, **facts, code="used", reason="used before"),
    }
    for kind in kinds:
        steps[kind]()
    (effect,) = summary_of(story).effects
    return effect.state


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (("permit",), RecordedState.RESERVED),
        (("permit", "start"), RecordedState.UNKNOWN),
        (("permit", "start", "complete"), RecordedState.COMPLETED),
        (("permit", "start", "fail"), RecordedState.FAILED),
        (("permit", "start", "lose"), RecordedState.UNKNOWN),
        (("permit", "start", "lose", "complete"), RecordedState.COMPLETED),
        (("permit", "start", "complete", "lose"), RecordedState.COMPLETED),
        (("permit", "start", "fail", "lose"), RecordedState.FAILED),
        (("block",), RecordedState.BLOCKED),
        (("permit", "start", "complete", "block"), RecordedState.COMPLETED),
        (("permit", "start", "block"), RecordedState.UNKNOWN),
    ],
)
def test_the_state_of_an_effect_is_read_off_its_events(kinds: tuple[str, ...], state: RecordedState) -> None:
    assert effect_after(*kinds) is state


def test_a_governed_run_is_counted_in_full() -> None:
    summary = summary_of(governed_story())
    assert summary.outcome is Outcome.COMPLETED
    assert summary.decisions == {"deny": 1, "require_approval": 1, "allow": 0}
    assert [(item.tool, item.stage, item.code) for item in summary.denied] == [
        ("rm", "plan", "unknown_tool"),
        ("export_data", "capability", "capability"),
    ]
    asked_about = summary.approvals.requests[0]
    assert (summary.approvals.asked, summary.approvals.granted, summary.approvals.pending) == (1, 1, 0)
    assert (asked_about.approver, asked_about.answered_after_s) == (Approver(id="bob", verified=True), 120.02)
    assert [(item.integrity, item.kind, item.admitted, item.sanitized) for item in summary.sources] == [
        ("untrusted", "retrieval_chunk", 0, 1),
        ("user", "user_prompt", 1, 0),
    ]
    assert [(item.category, item.severity, item.count) for item in summary.findings] == [
        ("prompt_injection", "high", 1)
    ]
    assert {item.stage: item.total_ms for item in summary.latency} == {
        "model": 10.0,
        "retrieval": 20.0,
        "tool": 10.0,
        "execution": 30.0,
        "approval": 120_020.0,
    }
    assert sum(summary.events.values()) == len(governed_story().events)


def test_a_summary_is_plain_json_and_reads_back() -> None:
    summary = summary_of(governed_story())
    text = orjson.dumps(summary.model_dump(mode="json"))
    assert Summary.model_validate_json(text) == summary


def test_a_run_without_an_end_is_unfinished() -> None:
    story = allowed_story()
    story.events.pop()
    assert summary_of(story).outcome is Outcome.UNFINISHED
    assert summary_of(story).finished is None


def test_a_run_that_waits_for_a_person_is_paused_until_the_answer() -> None:
    story = Story()
    story.add(RunStarted)
    planned(story, CALL)
    decided(story, CALL, Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    story.add(RunPaused, waiting_for="approval-1")
    assert summary_of(story).outcome is Outcome.PAUSED
    assert summary_of(story).approvals.pending == 1
    story.add(RunResumed, answered="approval-1")
    assert summary_of(story).outcome is Outcome.UNFINISHED


def test_the_figures_tell_how_people_answered() -> None:
    """Asked, by whom answered, how fast, and how often with a yes; answers that do not count are counted apart."""
    story = Story()
    bob, carol = Approver(id="bob", verified=True), Approver(id="carol", verified=True)
    for number, seconds in enumerate((1.0, 3.0, 5.0)):
        about_it = {**about(CALL), "approval": f"a-{number}"}
        story.add(ApprovalRequested, **about_it, expires_at=START + timedelta(days=1))
        refused = {"approver": Approver(id="eve"), "answer": "approve", "code": "role_missing"}
        story.add(ApprovalAnswerRefused, **about_it, **refused)
        story.add(ApprovalEscalated, **about_it, rule="r", after_seconds=1, roles=("ciso",))
        story.add(ApprovalVoted, **about_it, approver=carol, missing=1, waited_seconds=0.5)
        if number:
            story.add(ApprovalGranted, **about_it, approver=bob, voted=(carol, bob), waited_seconds=seconds)
        else:
            story.add(ApprovalResponded, **about_it, approver=bob, response="sha256:x", waited_seconds=seconds)
    found = summary_of(story).approvals
    assert (found.asked, found.granted, found.responded, found.pending) == (3, 2, 1, 0)
    assert (found.median_seconds, found.share_approved) == (0.75, 0.833)
    figures = [(item.approver, item.answered, item.approved, item.median_seconds) for item in found.approvers]
    assert figures == [("bob", 3, 2, 3.0), ("carol", 3, 3, 0.5)]
    assert [(item.refused, item.escalated, item.voted[0].id) for item in found.requests] == [(1, True, "carol")] * 3


def test_answers_to_approvals_are_told_apart() -> None:
    story = Story()
    bob = Approver(id="bob")
    for key in ("granted", "rejected", "expired", "pending"):
        asked(story, CALL, key)
    story.add(ApprovalGranted, **about(CALL), approval="granted", approver=bob, edited="sha256:other")
    story.add(ApprovalRejected, **about(CALL), approval="rejected", approver=bob)
    story.add(ApprovalExpired, **about(CALL), approval="expired")
    approvals = summary_of(story).approvals
    assert {item.approval: item.state.value for item in approvals.requests} == {
        key: key for key in ("granted", "rejected", "expired", "pending")
    }
    assert approvals.requests[0].edited_call == "sha256:other"


def test_open_and_failed_spans_are_counted_apart() -> None:
    story = Story()
    for run in ("m1", "m2"):
        story.add(ModelStarted, run=run, name="gpt-x", input_digest="sha256:i")
    story.add(ModelFailed, run="m2", name="gpt-x", error="TimeoutError")
    (model,) = summary_of(story).latency
    assert (model.count, model.failed, model.open) == (2, 1, 1)
