"""Whatever a log does not account for is named; a lawful, complete run has no problem."""

from __future__ import annotations

from datetime import timedelta

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

from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    AnyEvent,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    EffectResolved,
    ExecutionFailed,
    ExecutionUnknown,
    ModelStarted,
    RunStarted,
    ToolStarted,
)
from aisecops_langchain.domain.principal import Approver, Principal
from aisecops_langchain.forensics import Problem, problems_of, traces_of
from aisecops_langchain.forensics.problems import ProblemCode

BOB = Approver(id="bob", verified=True)
CALL = recorded("pay", "call-1", {"amount": 5})
OTHER = recorded("pay", "call-1", {"amount": 5000})


def problems(events: list[AnyEvent]) -> tuple[Problem, ...]:
    (trace,) = traces_of(events)
    return problems_of(trace)


def codes(story: Story) -> list[ProblemCode]:
    return [problem.code for problem in problems(story.events)]


def begun(effect: Effect | None = Effect.ALLOW) -> Story:
    story = Story()
    story.add(RunStarted)
    planned(story, CALL)
    if effect is not None:
        decided(story, CALL, effect)
    return story


@pytest.mark.parametrize("story", [allowed_story(), governed_story()], ids=["allowed", "governed"])
def test_a_lawful_run_has_no_problem(story: Story) -> None:
    assert problems(story.events) == ()


REMOVED = [
    ("run_started", ProblemCode.NO_RUN_START),
    ("plan_created", ProblemCode.DECISION_WITHOUT_PLAN),
    ("decision_made", ProblemCode.PERMIT_WITHOUT_DECISION),
    ("permit_issued", ProblemCode.EXECUTION_WITHOUT_PERMIT),
    ("execution_started", ProblemCode.END_WITHOUT_START),
    ("execution_completed", ProblemCode.NO_END),
]


@pytest.mark.parametrize(("kind", "code"), REMOVED)
def test_what_is_missing_from_a_log_is_named(kind: str, code: ProblemCode) -> None:
    story = allowed_story()
    found = problems([event for event in story.events if event.kind != kind])
    assert [problem.code for problem in found] == [code]
    assert found[0].message.isprintable()


def test_a_log_without_the_grant_shows_a_permit_without_approval() -> None:
    events = [event for event in governed_story().events if event.kind != "approval_granted"]
    assert ProblemCode.PERMIT_WITHOUT_APPROVAL in {problem.code for problem in problems(events)}


def test_a_permit_for_a_denied_call_is_a_violation() -> None:
    story = begun(Effect.DENY)
    permitted(story, CALL)
    assert codes(story) == [ProblemCode.PERMIT_FOR_DENIED_CALL]


def test_a_decision_that_comes_after_the_permit_accounts_for_nothing() -> None:
    story = begun(None)
    permitted(story, CALL)
    decided(story, CALL, Effect.ALLOW)
    assert codes(story) == [ProblemCode.PERMIT_WITHOUT_DECISION]


def test_an_approval_that_the_permit_does_not_name_does_not_count() -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    story.add(ApprovalGranted, **about(CALL), approval="approval-1", approver=BOB)
    permitted(story, CALL, approval=None)
    assert codes(story) == [ProblemCode.PERMIT_WITHOUT_APPROVAL]


def test_an_approval_of_another_call_does_not_count() -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    story.add(ApprovalGranted, **about(CALL), approval="approval-1", approver=BOB, edited=OTHER.digest)
    permitted(story, CALL, approval="approval-1")
    assert codes(story) == [ProblemCode.PERMIT_WITHOUT_APPROVAL]


def test_the_edited_call_may_run_once_policy_decided_on_it() -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    story.add(ApprovalGranted, **about(CALL), approval="approval-1", approver=BOB, edited=OTHER.digest)
    decided(story, OTHER, Effect.REQUIRE_APPROVAL)
    permitted(story, OTHER, approval="approval-1")
    started(story, OTHER)
    completed(story, OTHER)
    assert codes(story) == []


def test_a_rejection_after_a_grant_takes_the_approval_back_and_is_reported() -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    story.add(ApprovalGranted, **about(CALL), approval="approval-1", approver=BOB)
    story.add(ApprovalRejected, **about(CALL), approval="approval-1", approver=BOB)
    permitted(story, CALL, approval="approval-1")
    assert codes(story) == [ProblemCode.ANSWERED_TWICE, ProblemCode.PERMIT_WITHOUT_APPROVAL]


@pytest.mark.parametrize(
    ("voted", "found"),
    [((), [ProblemCode.TOO_FEW_APPROVERS]), (("BOB",), [ProblemCode.TOO_FEW_APPROVERS]), (("carol",), [])],
)
def test_an_approval_by_fewer_persons_than_it_takes_is_reported(
    voted: tuple[str, ...], found: list[ProblemCode]
) -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    two = ApprovalRequirement(rule="r", approvers=2)
    expires = START + timedelta(days=1)
    story.add(ApprovalRequested, **about(CALL), approval="approval-1", expires_at=expires, requires=(two,))
    people = tuple(Approver(id=name, verified=True) for name in voted)
    story.add(ApprovalGranted, **about(CALL), approval="approval-1", approver=BOB, voted=people)
    assert codes(story) == found


def test_an_approval_after_its_expiry_is_reported() -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    late = START + timedelta(days=2)
    story.add(ApprovalGranted, **about(CALL), approval="approval-1", approver=BOB, time=late)
    assert codes(story) == [ProblemCode.APPROVED_AFTER_EXPIRY]


def test_an_answer_to_a_question_about_another_call_is_reported() -> None:
    story = begun(Effect.REQUIRE_APPROVAL)
    asked(story, CALL)
    story.add(ApprovalExpired, **about(OTHER), approval="approval-1")
    assert codes(story) == [ProblemCode.ANSWER_WITHOUT_REQUEST]


def test_arguments_that_changed_between_permit_and_start_are_reported() -> None:
    story = begun()
    permitted(story, CALL)
    started(story, OTHER)
    completed(story, OTHER)
    assert codes(story) == [ProblemCode.EXECUTION_OF_OTHER_CALL]


def test_a_start_after_the_permit_expired_is_reported() -> None:
    story = begun()
    permitted(story, CALL)
    story.wait(hours=2)
    started(story, CALL)
    completed(story, CALL)
    assert codes(story) == [ProblemCode.EXECUTION_AFTER_EXPIRY]


def test_a_second_run_of_the_same_effect_is_reported() -> None:
    story = begun()
    permitted(story, CALL)
    for _ in range(2):
        started(story, CALL)
        completed(story, CALL)
    assert codes(story) == [ProblemCode.EFFECT_STARTED_TWICE]


def test_an_idempotent_effect_begun_again_after_its_end_is_told_apart() -> None:
    """Its end was in the log, and whoever recorded it died before the ledger had it."""
    story = begun()
    permitted(story, CALL)
    for _ in range(2):
        started(story, CALL, idempotent=True)
        completed(story, CALL)
    assert codes(story) == [ProblemCode.RESTARTED_AFTER_END]


def test_a_restart_without_an_end_is_reported_as_such() -> None:
    story = begun()
    permitted(story, CALL)
    started(story, CALL)
    started(story, CALL)
    completed(story, CALL)
    assert codes(story) == [ProblemCode.RESTARTED_WITHOUT_END]


def test_one_permit_for_two_effects_is_reported() -> None:
    twin = CALL.model_copy(update={"call_id": "call-2"})
    story = begun()
    permitted(story, CALL)
    started(story, CALL)
    completed(story, CALL)
    started(story, twin)
    completed(story, twin)
    assert codes(story) == [ProblemCode.EXECUTION_OF_OTHER_CALL, ProblemCode.PERMIT_USED_TWICE]


def test_two_ends_of_one_effect_are_reported() -> None:
    story = begun()
    permitted(story, CALL)
    started(story, CALL)
    completed(story, CALL)
    story.add(ExecutionFailed, **about(CALL), permit="permit-1", error="ValueError")
    assert codes(story) == [ProblemCode.CONFLICTING_ENDS]


def test_who_did_not_see_an_end_does_not_contradict_who_did() -> None:
    """Killed between the log and the ledger, a process leaves the end; the next one finds the effect without one."""
    story = begun()
    permitted(story, CALL)
    started(story, CALL)
    completed(story, CALL)
    story.add(ExecutionUnknown, **about(CALL), permit="permit-1", reason="whoever started it ended")
    resolved = {"by": "alice", "resolver": "person", "reason": "seen at the bank"}
    assert codes(story) == []
    same = story.add(EffectResolved, **about(CALL), permit="permit-1", outcome="completed", **resolved)
    assert codes(story) == []
    story.events.remove(same)
    story.add(EffectResolved, **about(CALL), permit="permit-1", outcome="failed", **resolved)
    assert codes(story) == [ProblemCode.CONFLICTING_ENDS]


def test_recorded_arguments_that_do_not_match_their_digest_are_reported() -> None:
    story = Story()
    story.add(RunStarted)
    planned(story, CALL.model_copy(update={"arguments": {"amount": 6}}))
    assert codes(story) == [ProblemCode.CALL_NOT_AS_RECORDED]


def test_withheld_arguments_cannot_be_checked_and_are_not_reported() -> None:
    story = Story()
    story.add(RunStarted)
    hidden = {"amount": {"$withheld": "secret", "commitment": "x"}}
    planned(story, CALL.model_copy(update={"arguments": hidden, "complete": False}))
    assert codes(story) == []


def test_a_tool_that_the_host_ran_without_governance_is_reported() -> None:
    story = allowed_story()
    story.add(ToolStarted, run="t1", name="lookup", input_digest="sha256:a")
    story.add(ToolStarted, run="t2", name="lookup", input_digest="sha256:a")
    story.add(ToolStarted, run="t3", name="inner", parent_run="t1", input_digest="sha256:a")
    found = problems(story.events)
    assert [problem.code for problem in found] == [ProblemCode.TOOL_OUTSIDE_GOVERNANCE]
    assert found[0].message == "the host ran lookup 2 times, but 1 executions are recorded"


def test_a_tool_run_past_the_guard_is_reported_even_alone_in_its_trace() -> None:
    story = Story()
    story.add(ToolStarted, run="t1", name="lookup", input_digest="sha256:a")
    assert codes(story) == [ProblemCode.TOOL_OUTSIDE_GOVERNANCE]


def test_a_chain_that_is_only_watched_breaks_no_rule() -> None:
    story = Story()
    story.add(ToolStarted, run="t1", name="lookup", input_digest="sha256:a", policy="none")
    assert codes(story) == []


def test_spans_are_not_asked_on_whose_behalf_they_ran() -> None:
    story = allowed_story()
    unknown = {"principal": Principal(agent="unknown"), "thread": "run-1"}
    story.add(
        ModelStarted, run="m1", name="gpt-x", input_digest="sha256:i", time=START - timedelta(seconds=1), **unknown
    )
    assert codes(story) == []
    (trace,) = traces_of(story.events)
    assert (trace.principal.user, trace.thread) == ("alice", "thread-1")
