"""H01 to H12: failures of the host's own human-in-the-loop, attacked on real graphs with real checkpointers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import (
    APPROVE,
    POLICY,
    REJECT,
    Driver,
    Office,
    allowing,
    answers,
    by_id,
    edit,
    genuine_orders,
    open_governor,
    says,
)
from approval_kit import PAY_ALICE, PAY_BOB, asked
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command, Send
from regression_kit import edited_at_rest, governed_by, on_thread, started
from runtime_kit import SANITIZER
from tamper_kit import FORGED, GOOD, paused

from aisecops_langchain import Approver, Governor, Principal, StaticIdentity, govern, parse_policy, subagent_tool
from aisecops_langchain.adapters.identity import warrant_of
from aisecops_langchain.errors import CheckpointError
from aisecops_langchain.sealing import Sealer
from aisecops_langchain.testing import MemoryLedger, MemorySink, ScriptedChatModel, call

BAD: list[Any] = [[], "", 0, {"decisions": []}, {"decisions": [None]}, {"decisions": "approve"}, ["x" * 10**7]]


async def test_h01_a_malformed_answer_does_not_brick_the_thread(office: Office) -> None:
    """One malformed answer made every later resume of the thread raise again."""
    for number, bad in enumerate(BAD):
        thread = on_thread(f"t{number}")
        graph = office.agent([PAY_ALICE], "done", "later")
        await office.run(graph, says("pay alice 5"), thread)
        for answer in (bad, REJECT, bad):
            await office.run(graph, Command(resume=answer), thread)
        result = await office.run(graph, says("and now?"), thread)
        assert result["messages"][-1].content == "later"
    assert office.ran == []


async def test_h01_a_malformed_answer_of_a_stranger_does_not_even_use_the_question_up(office: Office) -> None:
    """Nobody who may not answer can settle a question, however malformed the answer is."""
    graph, _ = await asked(office, approver=lambda config: named(config["configurable"]["who"]))
    for bad in BAD:
        assert "__interrupt__" in await office.run(graph, Command(resume=bad), on_thread("t1", who="mallory@evil"))
    await office.run(graph, Command(resume=APPROVE), on_thread("t1", who="bob@default"))
    assert office.ran == ["pay alice 5"]


def named(who: str) -> Approver:
    name, _, tenant = who.partition("@")
    return Approver(id=name, verified=True, tenant=tenant)


async def test_h02_an_edit_may_not_switch_the_tool(office: Office) -> None:
    """An edit to another tool ran under the first tool's approval."""
    for number, other in enumerate((edit("search", query="x"), edit("wipe", path="/"), edit("shell", cmd="x"))):
        graph = office.agent([PAY_ALICE], "done")
        await office.run(graph, says("pay alice 5"), on_thread(f"t{number}"))
        await office.run(graph, Command(resume=other), on_thread(f"t{number}"))
    assert office.ran == []
    assert len(office.of("approval_rejected")) == 3


async def test_h03_a_rejected_call_stays_rejected_when_the_condition_flips(office: Office) -> None:
    """The condition for asking was computed anew on resume; when it flipped, the rejected call ran."""
    graph, _ = await asked(office)
    office.governor.reload(parse_policy(POLICY.replace("require_approval", "allow")))
    await office.run(graph, Command(resume=REJECT))
    await office.run(graph, None)
    assert office.ran == []
    assert office.of("permit_issued") == []


@pytest.mark.parametrize("what", ["allowed-tool", "approval-tool"])
async def test_h04_no_jump_goto_or_send_reaches_a_tool_unreviewed(office: Office, what: str) -> None:
    """`jump_to="tools"`, `Command(goto="tools")` and a forged `Send` went round the review."""
    forged = FORGED[what]
    graph = await paused(office, *["done"] * 5)
    (order,) = genuine_orders(await office.driver.state(graph), [GOOD])
    message = AIMessage("", id="forged", tool_calls=[forged])
    for way in (
        Command(goto="execute", update={"messages": [message], "jump_to": "execute"}),
        Command(goto="execute", update={**order, "call": forged}),
        Command(goto=Send("execute", {**order, "call": forged})),
        Command(goto=Send("execute", {"messages": [message]})),
    ):
        await office.run(graph, way)
    assert office.ran in ([], ["search good"])


@pytest.mark.parametrize("order", [("alice", "bob"), ("bob", "alice")])
async def test_h05_parallel_answers_go_to_the_calls_they_name(office: Office, order: tuple[str, str]) -> None:
    """With parallel interrupts alice was approved and mallory paid, and approved effects ran two or three times."""
    graph, result = await asked(office, [PAY_ALICE, call("search", "c3", query="rates"), PAY_BOB], "done", "later")
    verdicts = by_id(result, alice=APPROVE, bob=REJECT)
    named = dict(zip(("alice", "bob"), verdicts, strict=True))
    for who in order:
        await office.run(graph, Command(resume={named[who]: verdicts[named[who]]}))
    await office.run(graph, Command(resume=verdicts))
    assert sorted(office.ran) == ["pay alice 5", "search rates"]
    assert sorted(started(office)) == [("pay", "c1"), ("search", "c3")]


@pytest.mark.parametrize("order", [0, 1])
async def test_h05_one_batch_for_all_is_read_by_name_never_by_position(office: Office, order: int) -> None:
    """Decisions were paired with calls by their position in a list."""
    graph, result = await asked(office, [PAY_ALICE, PAY_BOB], "done")
    calls = {item.value["action_requests"][0]["args"]["to"]: item.value for item in result["__interrupt__"]}
    decisions = [
        {"type": "approve", "call": calls["alice"]["aisecops"]["call"]},
        {"type": "reject", "call": calls["bob"]["aisecops"]["call"]},
    ]
    batch = {"decisions": decisions[::-1] if order else decisions}
    await office.run(graph, Command(resume={item.id: batch for item in result["__interrupt__"]}))
    assert office.ran == ["pay alice 5"]


async def test_h06_an_old_checkpoint_runs_nothing_again(office: Office) -> None:
    """Going on from an earlier checkpoint ran the approved action again."""
    await asked(office)
    graph = office.agent("done", repeat=True)
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 5"]
    for snapshot in await office.driver.history(graph):
        for given in (None, Command(resume=APPROVE)):
            await office.run(graph, given, snapshot.config)
    assert office.ran == ["pay alice 5"]
    assert started(office) == [("pay", "c1")]


async def test_h07_another_user_cannot_resume_and_the_log_says_who_approved(office: Office) -> None:
    """A resume in another user's context was accepted, and nothing said who had approved."""

    def who(config: Any) -> str:
        return config["configurable"]["who"]

    graph = office.agent(
        [PAY_BOB],
        [PAY_BOB],
        "done",
        principal=lambda config: Principal(agent="clerk", user=who(config)),
        approver=lambda config: Approver(id=f"{who(config)}'s manager", verified=True),
    )
    for thread, resumer in (("t2", "mallory"), ("t3", "ann")):
        await office.run(graph, says("pay bob 7"), on_thread(thread, who="ann"))
        await office.run(graph, Command(resume=APPROVE), on_thread(thread, who=resumer))
    assert office.ran == ["pay bob 7"]
    (granted,) = office.of("approval_granted")
    assert (granted.thread, granted.approver.id) == ("t3", "ann's manager")
    (refused,) = office.of("approval_answer_refused")
    assert (refused.thread, refused.approver.id, refused.code) == ("t2", "mallory's manager", "another_requester")


TEAM = """
version: 1
id: team
agents: {boss: {capabilities: [ask, read]}, clerk: {capabilities: [read, pay]}}
capabilities: {ask: {tools: [ask_clerk]}, read: {tools: [search, note]}, pay: {tools: [pay]}}
rules: [{id: all, effect: allow, tools: [ask_clerk, search, note, pay]}]
"""


async def test_h08_a_subagent_is_guarded_and_may_do_no_more_than_its_parent(office: Office) -> None:
    """Subagents did not inherit the guard: what the parent could not do, its subagent did."""
    governed_by(office, TEAM)
    proposals = [call("pay", "p", to="eve", amount=1), call("wipe", "w", path="/"), call("search", "s", query="ACME")]
    model = ScriptedChatModel(script=[proposals, "found"])
    clerk = govern(model, office.tools(), governor=office.governor, warrant=warrant_of)
    told = {"agent": "clerk", "tools": ["search"], "name": "ask_clerk", "description": "Ask."}
    ask = subagent_tool(clerk, office.governor, **told)
    boss = office.agent(
        [call("ask_clerk", "b1", task="look up ACME")],
        "done",
        tools=[ask],
        agent="boss",
        identity=StaticIdentity("ann"),
    )
    await office.run(boss, says("look up ACME"))
    assert office.ran == ["search ACME"]
    assert {event.call.tool for event in office.of("decision_made")} == {"ask_clerk", "pay", "wipe", "search"}


async def test_h09_a_model_that_insists_after_a_reject_is_stopped(office: Office) -> None:
    """A reject looped for ever: the model proposed the same call again, and the person was asked again."""
    graph, _ = await asked(office, [PAY_ALICE], repeat=True)
    result = await office.run(graph, Command(resume=REJECT))
    assert "__interrupt__" not in result
    assert office.ran == []
    assert [event.outcome for event in office.of("run_finished")] == ["stopped"]
    assert len(office.of("approval_requested")) == 1


class SlowLedger(MemoryLedger):
    """A ledger on a slow disk."""

    def apply(self, *args: Any, **kw: Any) -> bool:
        time.sleep(0.3)
        return super().apply(*args, **kw)


async def test_h10_the_guard_works_under_async_and_does_not_block_the_loop(tmp_path: Path) -> None:
    """A guard that was only sync failed under async, or held the event loop up while it worked."""
    sealer = Sealer(bytes(32))
    governor = Governor(
        policy=parse_policy(POLICY), sink=MemorySink(), ledger=SlowLedger(), sealer=sealer, sanitizer=SANITIZER
    )
    office = Office(Driver(InMemorySaver(), is_async=True), tmp_path, governor)
    graph = office.agent([PAY_ALICE], "done")
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)

    ticking = asyncio.create_task(tick())
    await office.run(graph, says("pay alice 5"))
    await office.run(graph, Command(resume=APPROVE))
    ticking.cancel()
    assert office.ran == ["pay alice 5"]
    assert sorted(gaps)[-2] < 0.25, "while the ledger slept 0.3 s each time, the loop went on"


@pytest.fixture(params=["sync", "async"])
async def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Driver]:
    """A checkpointer on disk, sync or async."""
    path = str(tmp_path / "checkpoints.sqlite")
    if request.param == "async":
        async with AsyncSqliteSaver.from_conn_string(path) as saver:
            yield Driver(saver, is_async=True)
    else:
        with SqliteSaver.from_conn_string(path) as saver:
            yield Driver(saver, is_async=False)


async def test_h11_a_checkpoint_edited_at_rest_gains_nothing(on_disk: Driver, tmp_path: Path) -> None:
    """Messages, the plan and the audit channel could be edited in the checkpointer's file and were believed."""
    with open_governor(tmp_path / "home") as governor:
        office = Office(on_disk, tmp_path / "home", governor)
        graph, _ = await asked(office)
        assert edited_at_rest(tmp_path / "checkpoints.sqlite", b"alice", b"malle") > 1
        saved = await on_disk.state(graph)
        assert "malle" in str(saved.values["messages"][-1].tool_calls)  # the edit reached the graph
        await office.run(graph, Command(resume=APPROVE))
        assert office.ran == []
        assert office.of("execution_started") == []


async def test_h11_a_sealed_checkpoint_edited_at_rest_is_detected(on_disk: Driver, tmp_path: Path) -> None:
    """The same edits, with ``seal_checkpoints``: the thread is refused, and the log says so."""
    with open_governor(tmp_path / "home") as governor:
        office = Office(on_disk, tmp_path / "home", governor)
        graph, _ = await asked(office, seal_checkpoints=True)
        assert edited_at_rest(tmp_path / "checkpoints.sqlite", b"alice", b"malle") > 1
        with pytest.raises(CheckpointError) as refused:
            await office.run(graph, Command(resume=APPROVE))
        assert refused.value.code == "forged"
        assert office.ran == []
        assert [event.code for event in office.of("checkpoint_refused")] == ["forged"]


async def test_h12_tools_that_policy_does_not_list_do_not_pass(office: Office) -> None:
    """Tools that the configuration did not name ran without any review."""
    calls = [call("wipe", "c1", path="/"), call("pay", "c2", to="eve", amount=1), call("search", "c3", query="x")]
    governed_by(office, allowing("search"))
    result = await office.run(office.agent([*calls, call("shell", "c4", cmd="x")], "done"), says("go"))
    assert "__interrupt__" not in result
    assert office.ran == ["search x"]
    assert len([text for text in answers(result) if text.startswith("Not executed")]) == 3
