"""Deadlines, retries, idempotency keys and formats of approvals hold at every door."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from adapter_kit import Office, answers, open_governor, says
from doors_kit import DOORS, through
from langchain_core.tools import tool
from langgraph.types import Command

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.testing import call

KEYED = """
version: 1
id: keyed
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [pay], risk: low}}
tools: {pay: {effects: [spend], targets: [to], idempotent: true, idempotency_key: request_id}}
rules: [{id: all, effect: allow, tools: [pay]}]
"""
RETRIED = """
version: 1
id: retried
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [pay], risk: low}}
tools: {pay: {effects: [spend], targets: [to], idempotent: true, retries: {attempts: 3, backoff_seconds: 0}}}
rules: [{id: all, effect: allow, tools: [pay]}]
"""
every_door = pytest.mark.parametrize("door", DOORS)


@every_door
async def test_a_tool_gets_its_key_and_a_model_cannot_choose_it(quick: Office, door: str) -> None:
    keys: list[str] = []

    @tool
    def pay(to: str, request_id: str = "") -> str:
        """Pay somebody."""
        keys.append(request_id)
        return f"paid {to}"

    with open_governor(quick.home / "keyed", KEYED) as quick.governor:
        calls = [call("pay", "a", to="alice"), call("pay", "m", to="mallory", request_id="mine")]
        result = await quick.run(through(door, quick, calls, "done", tools=[pay]), says("pay"))
    assert sorted(text[:12] for text in answers(result)) == ["Not executed", "paid alice"]
    assert len(keys) == 1
    assert keys[0] not in ("", "mine")


@every_door
async def test_an_idempotent_tool_is_tried_again_as_policy_says(quick: Office, door: str) -> None:
    tries: list[str] = []

    @tool
    def pay(to: str) -> str:
        """Pay somebody."""
        tries.append(to)
        if len(tries) < 3:
            raise ValueError("busy")
        return f"paid {to}"

    with open_governor(quick.home / "retried", RETRIED) as quick.governor:
        graph: Any = through(door, quick, [call("pay", "a", to="alice")], "done", tools=[pay])
        result = await quick.run(graph, says("pay"))
    assert answers(result) == ["paid alice"]
    assert tries == ["alice"] * 3


@pytest.mark.parametrize("coroutine", [False, True])
@every_door
async def test_every_attempt_gets_what_was_permitted_whatever_the_one_before_did_to_it(
    quick: Office, door: str, coroutine: bool
) -> None:
    """A tool may change nested arguments in place, as one that fills in or takes out fields does."""
    tries: list[list[int]] = []

    def attempt(to: dict[str, Any]) -> str:
        tries.append(list(to["amounts"]))
        to["amounts"].append(1000)
        if len(tries) < 3:
            raise OSError
        return "paid"

    @tool
    def pay(to: dict[str, Any]) -> str:
        """Pay somebody."""
        return attempt(to)

    @tool("pay")
    async def apay(to: dict[str, Any]) -> str:
        """Pay somebody."""
        return attempt(to)

    used = apay if coroutine and quick.driver.is_async else pay
    with open_governor(quick.home / "retried", RETRIED) as quick.governor:
        graph: Any = through(door, quick, [call("pay", "a", to={"amounts": [1]})], "done", tools=[used])
        result = await quick.run(graph, says("pay"))
    assert answers(result) == ["paid"]
    assert tries == [[1]] * 3


@every_door
async def test_questions_in_the_shape_of_the_agent_inbox(quick: Office, door: str) -> None:
    graph = through(door, quick, [call("pay", "a", to="alice", amount=5)], "done", approval_format="agent_inbox")
    result = await quick.run(graph, says("pay alice 5"))
    (question,) = result["__interrupt__"]
    assert "action_request" in str(question.value)
    assert "review_configs" not in str(question.value)
    await quick.run(graph, Command(resume=[{"type": "accept", "args": None}]))
    assert quick.ran == ["pay alice 5"]


SLOW = """
version: 1
id: slow
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [pay], risk: low}}
tools: {pay: {effects: [spend], targets: [to], timeout_seconds: 0.1}}
rules: [{id: all, effect: allow, tools: [pay]}]
"""


@every_door
async def test_past_its_deadline_a_call_is_unknown_and_not_run_again(quick: Office, door: str) -> None:
    go, ran = threading.Event(), []

    @tool
    def pay(to: str) -> str:
        """Pay somebody."""
        ran.append(to)
        go.wait(20)
        return f"paid {to}"

    with open_governor(quick.home / "slow", SLOW) as quick.governor:
        graph: Any = through(door, quick, [call("pay", "a", to="alice")], "done", "done", tools=[pay])
        result = await quick.run(graph, says("pay"))
        go.set()
        assert "did not answer in time" in answers(result)[0]
        assert result["messages"][-1].content == "done"
        assert [effect.tool for effect in quick.governor.effects.find(EffectState.UNKNOWN)] == ["pay"]
        before = next(state for state in await quick.driver.history(graph) if state.next == ("tools",))
        await quick.run(graph, None, before.config)
    assert ran == ["alice"]
