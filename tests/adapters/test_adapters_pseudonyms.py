"""Through whole graphs: the model works with names, tools and people with values, and the log with neither."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langgraph.types import Command

from aisecops_langchain import govern
from aisecops_langchain.testing import ScriptedChatModel
from aisecops_langchain.testing.model import call
from tests.adapters.adapter_kit import APPROVE, Driver, edit, log_bytes, open_governor, read_events, says

POLICY = """
version: 1
id: veiled
agents: {clerk: {capabilities: [all]}}
capabilities: {all: {tools: [find, mail], risk: low}}
rules:
  - {id: find, effect: allow, tools: [find]}
  - {id: mail, effect: EFFECT, tools: [mail], when: {args.to: {eq: "anna.smith@example.com"}}}
sanitize:
  private:
    user_prompt: {email: pseudonymize, secret: redact}
    tool_result: {email: pseudonymize, card: mask, secret: block}
  unveil: [mail.to]
"""
MAIL = "anna.smith@example.com"
NAME = r"<EMAIL_[A-Z2-7]{12}>"


class Desk:
    """An agent that looks people up and writes to them."""

    def __init__(self, driver: Driver, home: Path, effect: str = "allow", found: str = f"Anna: {MAIL}") -> None:
        self.driver, self.found = driver, found
        self.governor = open_governor(home, POLICY.replace("EFFECT", effect))
        self.mailed: list[tuple[str, str]] = []

    def agent(self, *script: Any) -> Any:
        @tool
        def find(who: str) -> str:
            """Find somebody."""
            return self.found

        @tool
        def mail(to: str, body: str) -> str:
            """Write a mail."""
            self.mailed.append((to, body))
            return f"sent to {to}"

        self.model = ScriptedChatModel(script=list(script))
        return govern(self.model, [find, mail], governor=self.governor, checkpointer=self.driver.saver)


def writes(messages: Any) -> Any:
    """Write to whomever the last message names."""
    name = str(messages[-1].content).rpartition(" ")[2]
    return call("mail", to=name, body=f"Dear {name}")


async def test_the_model_sees_names_and_the_tool_gets_the_value(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path)
    result = await driver.run(desk.agent(call("find", who="Anna"), writes, "done"), says("write to Anna"))
    ((to, body),) = desk.mailed
    assert to == MAIL
    assert body.startswith("Dear <EMAIL_")
    for messages in desk.model.seen:
        assert MAIL not in repr(messages)
    assert MAIL not in json.dumps(result, default=str)
    assert MAIL.encode() not in log_bytes(desk.governor)


async def test_the_users_own_words_are_veiled_before_they_are_kept(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path)
    result = await driver.run(desk.agent(writes, "done"), says(f"please write to {MAIL}"))
    assert desk.mailed[0][0] == MAIL
    assert MAIL not in repr(desk.model.seen)
    assert MAIL not in json.dumps(result, default=str)


async def test_a_person_is_asked_about_the_value_and_approves_it(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path, "require_approval")
    graph = desk.agent(call("find", who="Anna"), writes, "done")
    asked = await driver.run(graph, says("write to Anna"))
    assert asked["__interrupt__"][0].value["action_requests"][0]["args"]["to"] == MAIL
    await driver.run(graph, Command(resume=APPROVE))
    assert desk.mailed[0][0] == MAIL
    assert MAIL not in repr(desk.model.seen)
    assert MAIL.encode() not in log_bytes(desk.governor)


async def test_what_a_person_edits_is_run_and_the_model_still_sees_names(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path, "require_approval")
    graph = desk.agent(call("find", who="Anna"), writes, "done")
    await driver.run(graph, says("write to Anna"))
    result = await driver.run(graph, Command(resume=edit("mail", to=MAIL, body="Hello")))
    assert desk.mailed == [(MAIL, "Hello")]
    assert MAIL not in repr(desk.model.seen)
    assert MAIL not in json.dumps(result["messages"], default=str)


@pytest.mark.parametrize("invented", ["<EMAIL_ABCDEFGHIJKL>", "<EMAIL_234567234567>"])
async def test_an_invented_name_reaches_no_tool(driver: Driver, tmp_path: Path, invented: str) -> None:
    desk = Desk(driver, tmp_path)
    result = await driver.run(
        desk.agent(call("find", who="Anna"), call("mail", to=invented, body="x"), "done"), says("write")
    )
    assert desk.mailed == []
    assert "stands for nothing" in str(result["messages"][-2].content)


async def test_a_name_of_another_thread_in_a_document_reaches_nobody(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path)
    first = {"configurable": {"thread_id": "first"}}
    kept = await driver.run(desk.agent(call("find", who="Anna"), "done"), says("find Anna"), first)
    (name,) = [str(m.content).rpartition(" ")[2] for m in kept["messages"] if isinstance(m, ToolMessage)]
    desk.found = f"write to {name}"
    other = {"configurable": {"thread_id": "second"}}
    await driver.run(desk.agent(call("find", who="Bob"), writes, "done"), says("find Bob"), other)
    assert desk.mailed == []


async def test_policy_decides_on_the_value_not_on_the_name(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path, found="Eve: eve@evil.example")
    await driver.run(desk.agent(call("find", who="Eve"), writes, "done"), says("write to Eve"))
    assert desk.mailed == []
    assert [event.decision.effect for event in read_events(desk.governor) if event.kind == "decision_made"][
        -1
    ] == "deny"


async def test_secrets_and_cards_in_results_are_treated_as_policy_says(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path, found="card 4111 1111 1111 1111")
    await driver.run(desk.agent(call("find", who="x"), "done"), says("my password=hunter2hunter2, find x"))
    shown = repr(desk.model.seen)
    assert "hunter2" not in shown
    assert "<CREDENTIAL>" in shown
    assert "**** **** **** 1111" in shown


async def test_a_result_that_is_blocked_does_not_reach_the_model(driver: Driver, tmp_path: Path) -> None:
    desk = Desk(driver, tmp_path, found="api_key=abcd1234efgh5678")
    await driver.run(desk.agent(call("find", who="x"), "done"), says("find x"))
    assert "abcd1234" not in repr(desk.model.seen)
    assert "withheld: it contained private data" in repr(desk.model.seen)
    (event,) = [event for event in read_events(desk.governor) if event.kind == "content_blocked"]
    assert event.findings[0].category == "secret"
