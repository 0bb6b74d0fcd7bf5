"""Approvals: a person's yes is good for one exact call, once; everything else is a no that the thread survives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import (
    APPROVE,
    POLICY,
    REJECT,
    THREAD,
    Office,
    answers,
    by_id,
    edit,
    last_proposal,
    open_governor,
    read_events,
    says,
)
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from aisecops_langchain import Approver, Principal
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.testing import FixedClock, call

PAY_ALICE = call("pay", "c1", to="alice", amount=5)
PAY_BOB = call("pay", "c2", to="bob", amount=7)


async def asked(office: Office, *script: Any, **kw: Any) -> tuple[CompiledStateGraph, Any]:
    """An agent that waits for a person, and what it asks."""
    graph = office.agent(*(script or ([PAY_ALICE], "done", "later")), **kw)
    result = await office.run(graph, says("pay alice 5"))
    assert office.ran == []
    return graph, result


async def still_works(office: Office, graph: CompiledStateGraph) -> None:
    """A later turn of the same thread goes through."""
    result = await office.run(graph, says("and now?"))
    assert result["messages"][-1].content in ("done", "later")


# --- the three answers ------------------------------------------------------------------------------------------------


async def test_the_payload_is_what_chat_interfaces_read(office: Office) -> None:
    _, result = await asked(office)
    (interrupt,) = result["__interrupt__"]
    shown = interrupt.value
    (request,) = shown["action_requests"]
    assert set(request) == {"name", "args", "description"}
    assert (request["name"], request["args"]) == ("pay", {"to": "alice", "amount": 5.0})
    assert isinstance(request["description"], str)
    (review,) = shown["review_configs"]
    assert review["action_name"] == "pay"
    assert set(review["allowed_decisions"]) <= {"approve", "edit", "reject", "respond"}
    assert {"approve", "reject"} <= set(review["allowed_decisions"])
    binding = shown["aisecops"]
    assert binding["thread"] == "t1"
    assert binding["call"].startswith("sha256:")
    assert {"approval", "plan", "policy", "expires_at", "reasons", "risk", "provenance"} <= set(binding)


async def test_an_approved_call_runs_once_exactly_as_shown(office: Office) -> None:
    graph, result = await asked(office)
    shown = result["__interrupt__"][0].value["action_requests"][0]["args"]
    result = await office.run(graph, Command(resume=APPROVE))
    assert office.ran == [f"pay {shown['to']} {shown['amount']:g}"]
    assert answers(result) == ["paid alice"]
    kinds = office.kinds()
    order = [
        "approval_requested",
        "run_paused",
        "approval_granted",
        "run_resumed",
        "permit_issued",
        "execution_started",
    ]
    assert [kind for kind in kinds if kind in order] == order
    (permit,) = office.of("permit_issued")
    (asked_for,) = office.of("approval_requested")
    assert permit.approval == asked_for.approval


async def test_a_rejected_call_does_not_run(office: Office) -> None:
    graph, _ = await asked(office)
    result = await office.run(graph, Command(resume=REJECT))
    assert office.ran == []
    assert answers(result)[0].startswith("Not executed.")
    (rejected,) = office.of("approval_rejected")
    assert rejected.reason == "no"
    assert office.of("permit_issued") == []


async def test_an_edited_call_runs_as_edited(office: Office) -> None:
    graph, _ = await asked(office)
    result = await office.run(graph, Command(resume=edit("pay", to="bob", amount=6)))
    assert office.ran == ["pay bob 6"]
    assert last_proposal(result["messages"]).tool_calls[0]["args"] == {"to": "bob", "amount": 6.0}
    (granted,) = office.of("approval_granted")
    (started,) = office.of("execution_started")
    assert granted.edited == started.call != granted.call


async def test_an_edit_to_the_very_same_call_is_an_approval(office: Office) -> None:
    graph, _ = await asked(office)
    await office.run(graph, Command(resume=edit("pay", to="alice", amount=5)))
    assert office.ran == ["pay alice 5"]


async def test_an_edit_that_policy_denies_is_denied(office: Office) -> None:
    graph, _ = await asked(office)
    result = await office.run(graph, Command(resume=edit("pay", to="alice", amount=5000)))
    assert "__interrupt__" not in result
    assert office.ran == []
    assert office.of("capability_blocked")
    assert office.of("permit_issued") == []


@pytest.mark.parametrize(
    "answer",
    [
        edit("search", query="x"),
        edit("wipe", path="/"),
        edit("shell", cmd="x"),
        edit("pay", to="alice"),
        edit("pay", to="alice", amount=5, iban="x"),
        edit("pay", to="alice", amount="much"),
        edit("pay", to="alice", amount=float("nan")),
        edit("pay", to="\ud800", amount=5),
    ],
    ids=["other-tool", "ungranted-tool", "unknown-tool", "missing", "extra", "wrong-type", "nan", "surrogate"],
)
async def test_an_edit_to_another_tool_or_to_arguments_that_do_not_fit_runs_nothing(
    office: Office, answer: Any
) -> None:
    graph, _ = await asked(office)
    await office.run(graph, Command(resume=answer))
    assert office.ran == []
    assert [event.kind for event in office.events() if event.kind.startswith("approval_")] == [
        "approval_requested",
        "approval_rejected",
    ]


async def test_an_approval_survives_the_end_of_the_process(tmp_path: Path) -> None:
    """Asked in one process and approved in another one, the call runs once; approved again in a third, it does not."""
    script = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        from adapter_kit import APPROVE, Driver, Office, open_governor, says, THREAD
        from pathlib import Path
        from langgraph.checkpoint.sqlite import SqliteSaver
        from langgraph.types import Command
        from aisecops_langchain.testing import call
        home = Path(sys.argv[2])
        with SqliteSaver.from_conn_string(str(home / "c.sqlite")) as saver, open_governor(home / "home") as governor:
            office = Office(Driver(saver, is_async=False), home, governor)
            first = sys.argv[3] == "ask"
            graph = office.agent(*([[call("pay", "c1", to="alice", amount=5)], "done"] if first else ["done"]))
            if first:
                result = graph.invoke(says("pay alice 5"), THREAD)
                assert result["__interrupt__"]
            else:
                graph.invoke(Command(resume=APPROVE), THREAD)
            print(office.ran)
        """
    )
    seen = []
    for step in ("ask", "answer", "answer"):
        made = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path), step]
        done = await asyncio.to_thread(subprocess.run, made, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout.strip())
    assert seen == ["[]", "['pay alice 5']", "[]"]
    kinds = [event.kind for event in read_events(open_governor(tmp_path / "home"))]
    assert kinds.count("execution_started") == kinds.count("execution_completed") == 1


# --- answers that are none --------------------------------------------------------------------------------------------

BAD: dict[str, Any] = {
    "empty-list": [],
    "no-decisions": {"decisions": []},
    "decisions-missing": {"answer": "approve"},
    "two-decisions": {"decisions": [{"type": "approve"}, {"type": "approve"}]},
    "decisions-is-dict": {"decisions": {"type": "approve"}},
    "decisions-is-text": {"decisions": "approve"},
    "decision-is-text": {"decisions": ["approve"]},
    "decision-is-none": {"decisions": [None]},
    "unknown-type": {"decisions": [{"type": "maybe"}]},
    "type-missing": {"decisions": [{}]},
    "type-is-list": {"decisions": [{"type": ["approve"]}]},
    "type-in-capitals": {"decisions": [{"type": "APPROVE"}]},
    "respond": {"decisions": [{"type": "respond", "message": "done"}]},
    "yes": "yes",
    "approve-as-text": "approve",
    "json-as-text": '{"decisions": [{"type": "approve"}]}',
    "true": True,
    "one": 1,
    "bare-decision": {"type": "approve"},
    "list-of-decisions": [{"type": "approve"}],
    "junk": "x" * 1_000_000,
    "junk-inside": {"decisions": [{"type": "x" * 1_000_000}]},
    "long-message": {"decisions": [{"type": "reject", "message": "x" * 1_000_000}]},
    "surrogate": {"decisions": [{"type": "reject", "message": "\ud800"}]},
    "secret-looking": {"decisions": [{"type": "edit"}]},
    "edit-without-args": {"decisions": [{"type": "edit", "edited_action": {"name": "pay"}}]},
    "edit-args-text": {"decisions": [{"type": "edit", "edited_action": {"name": "pay", "args": "x"}}]},
    "edit-name-list": {"decisions": [{"type": "edit", "edited_action": {"name": ["pay"], "args": {}}}]},
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
async def test_a_bad_answer_runs_nothing_and_the_thread_lives(office: Office, answer: Any) -> None:
    graph, _ = await asked(office)
    result = await office.run(graph, Command(resume=answer))
    assert office.ran == []
    assert "__interrupt__" not in result
    await still_works(office, graph)
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == []
    assert [event.kind for event in office.events() if event.kind.startswith("approval_")] == [
        "approval_requested",
        "approval_rejected",
    ]


@pytest.mark.parametrize("answer", [{}, {"0" * 32: APPROVE}], ids=["empty-map", "unknown-id"])
async def test_an_answer_for_nobody_leaves_the_question_open(office: Office, answer: Any) -> None:
    graph, _ = await asked(office)
    result = await office.run(graph, Command(resume=answer))
    assert office.ran == []
    assert result["__interrupt__"]
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]


async def test_going_on_without_an_answer_leaves_the_question_open(office: Office) -> None:
    graph, first = await asked(office)
    again = await office.run(graph, None)
    assert [item.id for item in again["__interrupt__"]] == [item.id for item in first["__interrupt__"]]
    assert office.ran == []
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]
    assert len(office.of("approval_requested")) == 1


async def test_the_answer_none_by_id_runs_nothing(office: Office) -> None:
    graph, result = await asked(office)
    await office.run(graph, Command(resume={result["__interrupt__"][0].id: None}))
    assert office.ran == []
    await still_works(office, graph)
    assert office.ran == []


async def test_the_id_of_another_threads_question_answers_nothing(office: Office) -> None:
    other: dict[str, Any] = {"configurable": {"thread_id": "t2"}}
    graph = office.agent([PAY_ALICE], [call("pay", "c1", to="mallory", amount=900)], "done", "done")
    await office.run(graph, says("pay alice 5"))
    theirs = (await office.run(graph, says("pay mallory 900"), other))["__interrupt__"][0]
    result = await office.run(graph, Command(resume={theirs.id: APPROVE}))
    assert result["__interrupt__"]
    assert office.ran == []
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]


async def test_an_abandoned_question_leaves_a_conversation_that_models_accept(office: Office) -> None:
    """The user speaks instead of answering: providers refuse a history in which a call has no result."""
    shown: list[list[AnyMessage]] = []

    def look(messages: list[AnyMessage]) -> str:
        shown.append(messages)
        return "later"

    graph, _ = await asked(office, [PAY_ALICE], look)
    await office.run(graph, says("never mind"))
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == []
    called = {item["id"] for message in shown[0] if isinstance(message, AIMessage) for item in message.tool_calls}
    answered = {message.tool_call_id for message in shown[0] if isinstance(message, ToolMessage)}
    assert called == answered


# --- several questions ------------------------------------------------------------------------------------------------

SAFE = call("search", "c3", query="rates")


@pytest.mark.parametrize("order", [("alice", "bob"), ("bob", "alice")])
async def test_two_questions_in_either_order_run_each_call_once_and_safe_siblings_once(
    office: Office, order: tuple[str, str]
) -> None:
    graph, result = await asked(office, [PAY_ALICE, SAFE, PAY_BOB], "done")
    assert len(result["__interrupt__"]) == 2
    ids = by_id(result, alice=APPROVE, bob=APPROVE)
    by_name = dict(zip(("alice", "bob"), ids, strict=True))
    for name in order:
        assert office.ran == []
        await office.run(graph, Command(resume={by_name[name]: APPROVE}))
    assert sorted(office.ran) == ["pay alice 5", "pay bob 7", "search rates"]
    assert len(office.of("execution_started")) == 3


@pytest.mark.parametrize("yes", ["alice", "bob"])
async def test_a_yes_for_one_payee_never_pays_the_other(office: Office, yes: str) -> None:
    graph, result = await asked(office, [PAY_ALICE, SAFE, PAY_BOB], "done")
    verdicts = {"alice": REJECT, "bob": REJECT, yes: APPROVE}
    await office.run(graph, Command(resume=by_id(result, **verdicts)))
    paid = {"alice": "pay alice 5", "bob": "pay bob 7"}[yes]
    assert sorted(office.ran) == [paid, "search rates"]


async def test_answering_twice_counts_the_first_answer(office: Office) -> None:
    graph, result = await asked(office, [PAY_ALICE, PAY_BOB], "done")
    await office.run(graph, Command(resume=by_id(result, alice=REJECT)))
    await office.run(graph, Command(resume=by_id(result, alice=APPROVE)))
    await office.run(graph, Command(resume=by_id(result, alice=APPROVE, bob=APPROVE)))
    assert office.ran == ["pay bob 7"]


async def test_one_scalar_answer_to_two_questions_runs_nothing(office: Office) -> None:
    graph, result = await asked(office, [PAY_ALICE, PAY_BOB], "done")
    with pytest.raises(RuntimeError, match="multiple pending interrupts"):
        await office.run(graph, Command(resume=APPROVE))
    assert office.ran == []
    await office.run(graph, Command(resume=by_id(result, alice=APPROVE, bob=REJECT)))
    assert office.ran == ["pay alice 5"]


async def test_an_edit_of_one_and_a_yes_to_the_other(office: Office) -> None:
    graph, result = await asked(office, [PAY_ALICE, PAY_BOB], "done")
    await office.run(graph, Command(resume=by_id(result, alice=edit("pay", to="carol", amount=1), bob=APPROVE)))
    assert sorted(office.ran) == ["pay bob 7", "pay carol 1"]


async def test_the_same_call_proposed_twice_is_asked_twice(office: Office) -> None:
    twin = call("pay", "c9", to="alice", amount=5)
    graph, result = await asked(office, [PAY_ALICE, twin], "done")
    first, second = (item.id for item in result["__interrupt__"])
    await office.run(graph, Command(resume={first: APPROVE, second: REJECT}))
    assert office.ran == ["pay alice 5"]


async def test_a_denied_sibling_is_answered_and_stays_denied(office: Office) -> None:
    wipe = call("wipe", "c4", path="/")
    graph, result = await asked(office, [PAY_ALICE, wipe], "done")
    assert "c4" in {m.tool_call_id for m in result["messages"] if isinstance(m, ToolMessage)}
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]


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
    await office.run(graph, Command(resume=APPROVE), as_user("mallory"))
    assert office.ran == []
    assert office.of("approval_granted") == []


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
async def test_an_approver_who_cannot_be_told_is_recorded_as_unidentified(
    office: Office, approver: Callable[[Any], Any]
) -> None:
    graph, _ = await asked(office, approver=approver)
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
