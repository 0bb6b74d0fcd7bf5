"""Approvals while the world changes: time, policy, people, and models that insist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from adapter_kit import (
    APPROVE,
    POLICY,
    REJECT,
    THREAD,
    Office,
    answers,
    edit,
    open_governor,
    read_events,
    says,
)
from approval_kit import PAY_ALICE, SAFE, asked, still_works
from doors_kit import DOORS, asked_about, through
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from aisecops_langchain import Approver, Principal, parse_policy
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.approvals.service import Approve
from aisecops_langchain.testing import FixedClock, call

# --- time, policy and people ------------------------------------------------------------------------------------------


async def clocked(office: Office, *script: Any, **kw: Any) -> tuple[FixedClock, CompiledStateGraph, Any, Any]:
    clock = FixedClock()
    governor = open_governor(office.home / "clocked", kw.pop("policy", POLICY), clock=clock)
    graph, result = await asked(office, *script, governor=governor, **kw)
    return clock, graph, result, governor


@pytest.mark.parametrize("answer", [APPROVE, edit("pay", to="bob", amount=6)], ids=["approve", "edit"])
async def test_an_answer_that_comes_too_late_is_none(office: Office, answer: Any) -> None:
    clock, graph, _, governor = await clocked(office)
    clock.advance(86_400)
    result = await office.run(graph, Command(resume=answer))
    assert office.ran == []
    assert "in time" in answers(result)[0]
    await still_works(office, graph)
    kinds = [event.kind for event in read_events(governor)]
    assert "approval_expired" in kinds
    assert "approval_granted" not in kinds


async def test_an_answer_just_in_time_counts_though_permits_of_siblings_ran_out(office: Office) -> None:
    clock, graph, _, governor = await clocked(office, [PAY_ALICE, SAFE], "done")
    clock.advance(86_399)
    await office.run(graph, Command(resume=APPROVE))
    assert sorted(office.ran) == ["pay alice 5", "search rates"]
    governor.close()


async def test_a_permit_that_expired_before_it_was_used_runs_nothing(office: Office) -> None:
    clock = FixedClock()
    governor = open_governor(office.home / "clocked", clock=clock)
    graph = office.agent([SAFE], "done", "later", governor=governor)
    await office.run(graph, says("go"), interrupt_before=["execute"])
    clock.advance(300)
    await office.run(graph, None)
    assert office.ran == []
    await still_works(office, graph)
    assert [event.code for event in read_events(governor) if event.kind == "execution_blocked"] == ["expired"]


STRICTER = POLICY.replace("max: 1000", "max: 1")
LAXER = POLICY.replace("effect: require_approval", "effect: allow")
RENAMED = POLICY.replace("id: office", "id: office2")


@pytest.mark.parametrize("policy", [STRICTER, RENAMED], ids=["stricter", "renamed"])
async def test_a_policy_that_changed_between_question_and_answer_voids_the_answer(office: Office, policy: str) -> None:
    graph, _ = await asked(office)
    office.governor.close()
    with open_governor(office.home, policy) as changed:
        graph = office.agent("done", "later", governor=changed)
        await office.run(graph, Command(resume=APPROVE))
        assert office.ran == []
        await still_works(office, graph)
        kinds = [event.kind for event in read_events(changed)]
    assert "approval_granted" not in kinds


VOID = "Not executed. The request for approval is void: the policy changed meanwhile."


@pytest.mark.parametrize("answer", [APPROVE, REJECT, edit("pay", to="bob", amount=6)], ids=["yes", "no", "edit"])
async def test_the_model_is_told_that_the_request_is_void_and_not_that_a_person_said_no(
    office: Office, answer: Any
) -> None:
    """Whatever was answered, it was answered to a request that another policy had made."""
    graph, _ = await asked(office)
    office.governor.reload(parse_policy(RENAMED))
    result = await office.run(graph, Command(resume=answer))
    assert answers(result) == [VOID]
    refusal = next(message for message in result["messages"] if isinstance(message, ToolMessage))
    assert refusal.artifact == {"aisecops": {"outcome": "refused", "code": "approval_void"}}
    assert office.ran == []
    (said,) = office.of("approval_rejected")
    assert (said.approver.id, "another context" in said.reason) == ("nobody", True)


@pytest.mark.parametrize("door", DOORS)
async def test_every_door_tells_of_a_void_request(quick: Office, door: str) -> None:
    graph = through(door, quick, [PAY_ALICE], "done")
    assert asked_about(await quick.run(graph, says("pay alice 5"))) == ["alice"]
    quick.governor.reload(parse_policy(RENAMED))
    result = await quick.run(graph, Command(resume=APPROVE))
    assert answers(result) == [VOID]
    assert quick.ran == []


async def test_a_yes_that_the_policy_outlived_is_told_as_void(office: Office) -> None:
    """The yes came in time, but the policy changed before the run went on with it."""
    graph, result = await asked(office)
    approvals = office.governor.approvals
    record = approvals.find(result["__interrupt__"][0].value["aisecops"]["approval"])
    assert record is not None
    approvals.answer(record.binding, Approve(), Approver(id="carol"))
    office.governor.reload(parse_policy(RENAMED))
    assert answers(await office.run(graph, Command(resume=APPROVE))) == [VOID]
    assert office.ran == []


async def test_after_a_void_request_a_person_is_asked_anew_if_the_model_proposes_the_call_again(office: Office) -> None:
    again = call("pay", "c9", to="alice", amount=5)
    graph, _ = await asked(office, [PAY_ALICE], [again], "done")
    office.governor.reload(parse_policy(RENAMED))
    result = await office.run(graph, Command(resume=APPROVE))
    assert office.ran == []
    (question,) = result["__interrupt__"]
    assert question.value["action_requests"][0]["args"] == {"to": "alice", "amount": 5.0}
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]


BY_PLACE = POLICY.replace(
    "- {id: paying, effect: require_approval, tools: [pay]}",
    "- {id: paying, effect: allow, tools: [pay]}\n"
    "  - {id: asking, effect: require_approval, tools: [pay], when: {environment.place: production}}",
)


@pytest.mark.parametrize("policy", [LAXER, BY_PLACE], ids=["policy", "environment"])
@pytest.mark.parametrize("answer", [REJECT, {"decisions": []}], ids=["reject", "junk"])
async def test_a_rejected_call_does_not_run_when_the_need_to_ask_is_gone_meanwhile(
    office: Office, policy: str, answer: Any
) -> None:
    """A person said no; that the condition for asking flipped on resume must not make a yes of it."""
    first = POLICY if policy is LAXER else policy
    with open_governor(office.home / "flip", first, environment={"place": "production"}) as governor:
        await asked(office, governor=governor)
    with open_governor(office.home / "flip", policy, environment={"place": "test"}) as flipped:
        graph = office.agent("done", "later", governor=flipped)
        await office.run(graph, Command(resume=answer))
        assert office.ran == []
        assert "permit_issued" not in [event.kind for event in read_events(flipped)]


def told(config: Any) -> Principal:
    """The user of the call, as an application would tell."""
    return Principal(agent="clerk", user=config["configurable"].get("who", "alice"))


def as_user(name: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": "t1", "who": name}}


async def test_another_users_resume_does_not_run_the_first_users_call(office: Office) -> None:
    graph = office.agent([PAY_ALICE], "done", "later", principal=told)
    await office.run(graph, says("pay alice 5"), as_user("alice"))
    for answer in (APPROVE, REJECT):
        assert (await office.run(graph, Command(resume=answer), as_user("mallory")))["__interrupt__"]
    assert office.ran == []
    await office.run(graph, Command(resume=APPROVE), as_user("alice"))
    assert office.ran == ["pay alice 5"]
    assert {event.code for event in office.of("approval_answer_refused")} == {"another_requester"}


async def test_the_log_says_who_approved(office: Office) -> None:
    def approver(config: Any) -> Approver:
        return Approver(id=config["configurable"]["approver"], verified=True)

    graph, _ = await asked(office, approver=approver)
    await office.run(graph, Command(resume=APPROVE), {"configurable": {"thread_id": "t1", "approver": "carol"}})
    assert office.ran == ["pay alice 5"]
    (granted,) = office.of("approval_granted")
    assert (granted.approver.id, granted.approver.verified) == ("carol", True)


def _raises(_config: Any) -> Approver:
    raise KeyError("no session")


@pytest.mark.parametrize("approver", [_raises, lambda _: None, lambda _: "carol"], ids=["raises", "none", "text"])
@pytest.mark.parametrize("answer", [APPROVE, REJECT], ids=["approve", "reject"])
async def test_where_the_approver_cannot_be_told_nobody_answered(
    office: Office, approver: Callable[[Any], Any], answer: Any
) -> None:
    """The answer does not count, the question stays, and a good answer counts afterwards."""
    graph, _ = await asked(office, approver=approver)
    result = await office.run(graph, Command(resume=answer))
    assert result["__interrupt__"]
    assert office.ran == []
    graph = office.agent("done", approver=lambda _: Approver(id="carol", verified=True))
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]
    (refused,) = office.of("approval_answer_refused")
    assert (refused.code, refused.approver.verified) == ("unidentified", False)


async def test_without_an_approver_the_answer_is_recorded_as_nobodys(office: Office) -> None:
    graph, _ = await asked(office)
    await office.run(graph, Command(resume=APPROVE))
    (granted,) = office.of("approval_granted")
    assert (granted.approver.id, granted.approver.verified) == ("unidentified", False)


@pytest.mark.parametrize("source", [lambda _: None, lambda _: "alice"], ids=["none", "text"])
async def test_a_principal_who_cannot_be_told_ends_the_run_before_it_begins(
    quick: Office, source: Callable[[Any], Any]
) -> None:
    graph = quick.agent([SAFE], "done", principal=source)
    with pytest.raises(AisecopsError, match="principal"):
        await quick.run(graph, says("go"))
    assert quick.ran == []


# --- rejected, and insisting ------------------------------------------------------------------------------------------


async def test_a_rejected_call_proposed_again_is_refused_without_asking_again(office: Office) -> None:
    again = call("pay", "c5", to="alice", amount=5)
    graph, _ = await asked(office, [PAY_ALICE], [again], "done")
    result = await office.run(graph, Command(resume=REJECT))
    assert "__interrupt__" not in result
    assert office.ran == []
    assert len(office.of("approval_requested")) == 1


async def test_a_rejected_call_may_be_asked_again_in_a_later_turn(office: Office) -> None:
    again = call("pay", "c5", to="alice", amount=5)
    graph, _ = await asked(office, [PAY_ALICE], "done", [again], "later")
    await office.run(graph, Command(resume=REJECT))
    result = await office.run(graph, says("I changed my mind, pay alice 5"))
    assert result["__interrupt__"]
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]


async def test_a_model_that_insists_on_a_rejected_call_is_stopped(office: Office) -> None:
    graph, _ = await asked(office, [PAY_ALICE], repeat=True)
    result = await office.run(graph, Command(resume=REJECT))
    assert "__interrupt__" not in result
    assert office.ran == []
    (finished,) = office.of("run_finished")
    assert finished.outcome == "stopped"
    assert len(office.of("approval_requested")) == 1
    proposals = [m for m in result["messages"] if isinstance(m, AIMessage) and m.tool_calls]
    assert len(proposals) == 3


@pytest.mark.parametrize("same_id", [True, False])
async def test_a_model_that_insists_on_a_denied_call_is_stopped(office: Office, same_id: bool) -> None:
    ids = iter(range(100))

    def insist(_: Any) -> Any:
        return [call("wipe", "c1" if same_id else f"c{next(ids)}", path="/")]

    graph = office.agent(insist, repeat=True)
    result = await office.run(graph, says("go"))
    assert office.ran == []
    (finished,) = office.of("run_finished")
    assert finished.outcome == "stopped"
    assert isinstance(result["messages"][-1], AIMessage)
    called = [i["id"] for m in result["messages"] if isinstance(m, AIMessage) for i in m.tool_calls]
    assert len([m for m in result["messages"] if isinstance(m, ToolMessage)]) == len(called)


async def test_a_model_that_varies_a_denied_call_is_stopped_too(quick: Office) -> None:
    paths = iter(range(1000))
    graph = quick.agent(lambda _: [call("wipe", path=f"/{next(paths)}")], repeat=True)
    await quick.run(graph, says("go"), {**THREAD, "recursion_limit": 200})
    assert quick.ran == []
    (finished,) = quick.of("run_finished")
    assert finished.outcome == "stopped"


async def test_a_stopped_thread_serves_the_next_turn(office: Office) -> None:
    graph = office.agent(*[[call("wipe", "c1", path="/")]] * 3, [SAFE], "later")
    await office.run(graph, says("go"))
    result = await office.run(graph, says("look up the rates"))
    assert office.ran == ["search rates"]
    assert result["messages"][-1].content == "later"


# --- nobody to ask ----------------------------------------------------------------------------------------------------


async def test_without_a_checkpointer_a_call_that_needs_approval_is_refused_and_recorded(unsaved: Office) -> None:
    graph = unsaved.agent([PAY_ALICE, SAFE], "done")
    result = await unsaved.driver.run(graph, says("pay alice 5"), None)
    assert unsaved.ran == ["search rates"]
    assert "approval" in next(answer for answer in answers(result) if answer.startswith("Not executed."))
    (rejected,) = unsaved.of("plan_rejected")
    assert rejected.rejected[0].code == "no_checkpointer"
    assert unsaved.of("approval_requested") == []


async def test_approvals_of_one_thread_are_worthless_on_another(office: Office) -> None:
    other: dict[str, Any] = {"configurable": {"thread_id": "t2"}}
    graph = office.agent([PAY_ALICE], [PAY_ALICE], "done", "done")
    await office.run(graph, says("pay alice 5"))
    await office.run(graph, says("pay alice 5"), other)
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]
    waiting = await office.driver.state(graph, other)
    assert waiting.next == ("approve",)
    await office.run(graph, Command(resume=REJECT), other)
    assert office.ran == ["pay alice 5"]
