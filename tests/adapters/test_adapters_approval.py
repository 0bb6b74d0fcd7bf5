"""Approvals: a person's yes is good for one exact call, once; everything else is a no that the thread survives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import (
    APPROVE,
    REJECT,
    Office,
    answers,
    by_id,
    edit,
    last_proposal,
    open_governor,
    read_events,
    says,
)
from approval_kit import PAY_ALICE, PAY_BOB, SAFE, asked, still_works
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.types import Command

from aisecops_langchain.testing import call


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
    "respond-nothing": {"decisions": [{"type": "respond", "message": ""}]},
    "respond-number": {"decisions": [{"type": "respond", "message": 1}]},
    "two-decisions-named-alike": {"decisions": [{"type": "approve", "call": "x"}, {"type": "approve"}]},
    "named-by-number": {"decisions": [{"type": "approve", "call": 1}]},
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
