"""Deadlines, cancellation, retries, caches and idempotency keys through whole governed graphs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import pytest
from adapter_kit import Driver, Office, answers, open_governor, read_events, says
from click.testing import CliRunner
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import StateGraph
from langgraph.types import CachePolicy, RetryPolicy

from aisecops_langchain import current_idempotency_key, effects
from aisecops_langchain.adapters.tools.effects import declared_effects
from aisecops_langchain.cli.main import cli
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import ConfigurationError, LedgerError
from aisecops_langchain.testing import call

WAIT = 20
PAY = [call("pay", "c1", to="bob")]


def policy(profile: str = "", *, limits: str = "", more: str = "") -> str:
    """A policy that allows paying, under the given terms."""
    return f"""
version: 1
id: execution
agents: {{clerk: {{capabilities: [all]}}}}
capabilities: {{all: {{tools: [pay], risk: low}}}}
rules: [{{id: all, effect: allow, tools: [pay]}}]
tools: {{pay: {{effects: [spend], amounts: [to]{profile}}}}}
{limits}
{more}
""".replace("amounts: [to]", "targets: [to]")


class Bank:
    """A tool that does what it was told for each call, and counts."""

    def __init__(self, *acts: Any, is_async: bool = False) -> None:
        self.acts = list(acts)
        self.is_async = is_async
        self.paid: list[str] = []
        self.keys: list[str] = []
        self.entered = threading.Event()
        self.go = threading.Event()

    def act(self, to: str) -> Any:
        """Write down the call, and say what becomes of it."""
        self.paid.append(to)
        self.keys.append(current_idempotency_key())
        self.entered.set()
        return self.acts[min(len(self.paid) - 1, len(self.acts) - 1)]

    def tool(self) -> Any:
        """The tool, synchronous or with a coroutine alone."""

        def pay(to: str) -> str:
            """Pay someone."""
            found = self.act(to)
            if found == "wait":
                assert self.go.wait(WAIT)
                return "late"
            if isinstance(found, BaseException):
                raise found
            return str(found)

        async def apay(to: str) -> str:
            """Pay someone."""
            found = self.act(to)
            if found == "wait":
                await asyncio.sleep(WAIT)
            if isinstance(found, BaseException):
                raise found
            return str(found)

        apay.__name__ = "pay"
        return tool(apay if self.is_async else pay)


def bank_for(office: Office, *acts: Any, coroutine: bool) -> Bank:
    """A bank whose tool fits the way that the graph is driven."""
    return Bank(*acts, is_async=coroutine and office.driver.is_async)


def until(condition: Any) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


FORM = pytest.mark.parametrize("coroutine", [False, True])


async def test_an_operator_is_shown_what_came_late(quick: Office) -> None:
    bank = bank_for(quick, "wait", coroutine=False)
    home = quick.home / "own"
    with open_governor(home, policy(", timeout_seconds: 0.1")) as governor:
        await quick.run(quick.agent(PAY, "done", tools=[bank.tool()], governor=governor), says("pay"))
        bank.go.set()
        until(lambda: all(item.late for item in governor.effects.find()))
    shown = CliRunner().invoke(cli, ["effects", "list", "--state", "unknown", "--home", str(home)])
    assert "the tool returned after nobody waited for it any more" in shown.output
    assert f"idempotency key {bank.keys[0]}" in shown.output


@FORM
@pytest.mark.parametrize("where", ["profile", "limits", "code"])
async def test_past_its_deadline_a_call_is_unknown_and_never_run_again(
    quick: Office, where: str, coroutine: bool
) -> None:
    bank = bank_for(quick, "wait", coroutine=coroutine)
    pay = bank.tool()
    text = policy(", timeout_seconds: 0.1" if where == "profile" else "")
    if where == "limits":
        text = policy(limits="limits: {tool_timeout_seconds: 0.1}")
    if where == "code":
        text = "\n".join(line for line in text.splitlines() if not line.startswith("tools:"))
        pay = effects("spend", targets=["to"], timeout_seconds=0.1)(pay)
    with open_governor(quick.home / "own", text) as governor:
        graph = quick.agent(PAY, PAY, "done", tools=[pay], governor=governor)
        result = await quick.run(graph, says("pay"))
        assert "did not answer in time" in answers(result)[0]
        (facts,) = [item for item in governor.effects.find(EffectState.UNKNOWN) if item.late == ""][:1]
        assert facts.tool == "pay"
        bank.go.set()
        if not bank.is_async:
            until(lambda: all(item.late for item in governor.effects.find(EffectState.UNKNOWN)))
    kinds = [event.kind for event in read_events(governor)]
    assert kinds.count("execution_started") == kinds.count("execution_unknown") == len(bank.paid)
    assert not any("late" in answer for answer in answers(result))


async def test_a_deadline_keeps_no_process_from_ending(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(f"""
import asyncio, sys, time
from langchain_core.tools import tool
from aisecops_langchain import Governor, govern, parse_policy
from aisecops_langchain.testing import ScriptedChatModel, call

@tool
def pay(to: str) -> str:
    "Pay someone."
    time.sleep(600)

policy = parse_policy('''{policy(", timeout_seconds: 0.1")}''')
with Governor.open(policy, sys.argv[1], durability="none") as governor:
    agent = govern(ScriptedChatModel(script=[[call("pay", "c1", to="bob")], "done"]), [pay], governor=governor)
    given = {{"messages": [("user", "pay")]}}
    out = asyncio.run(agent.ainvoke(given)) if sys.argv[2] == "async" else agent.invoke(given)
    print(out["messages"][-2].content)
""")
    for form in ("sync", "async"):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(script), str(tmp_path / form), form],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "did not answer in time" in done.stdout, done.stderr


@FORM
async def test_a_cancelled_run_is_accounted_for_once_and_runs_nothing_again(tmp_path: Path, coroutine: bool) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.sqlite")) as saver:
        governor = open_governor(tmp_path / "own", policy())
        office = Office(Driver(saver, is_async=True), tmp_path, governor)
        bank = bank_for(office, "wait", coroutine=coroutine)
        graph = office.agent(PAY, "done", tools=[bank.tool()])
        run = asyncio.create_task(office.run(graph, says("pay")))
        await asyncio.to_thread(bank.entered.wait, WAIT)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        bank.go.set()
        (facts,) = governor.effects.find()
        assert facts.state is EffectState.UNKNOWN
        result = await office.run(graph, None)
        kinds = office.kinds()
    assert bank.paid == ["bob"]
    assert "outcome is unknown" in answers(result)[0]
    assert (kinds.count("execution_started"), kinds.count("execution_unknown")) == (1, 1)


async def test_a_step_timeout_of_the_host_runs_nothing_twice(quick: Office) -> None:
    bank = bank_for(quick, "wait", coroutine=True)
    with open_governor(quick.home / "own", policy()) as governor:
        graph = quick.agent(PAY, "done", tools=[bank.tool()], governor=governor)
        graph.step_timeout = 2.0  # enough for every step before the tool runs, on a busy machine
        threading.Timer(4.0, bank.go.set).start()
        with pytest.raises(TimeoutError):
            await quick.run(graph, says("pay"))
        bank.go.set()
        until(lambda: governor.effects.find()[0].state in (EffectState.UNKNOWN, EffectState.COMPLETED))
        graph.step_timeout = None
        await quick.run(graph, None)
    assert bank.paid == ["bob"]
    kinds = [event.kind for event in read_events(governor)]
    assert kinds.count("execution_started") == 1
    assert kinds.count("execution_unknown") + kinds.count("execution_completed") == 1


async def test_an_interrupt_from_the_keyboard_leaves_the_effect_unknown(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(f"""
import asyncio, os, signal, sys, threading, time
from langchain_core.tools import tool
from aisecops_langchain import Governor, govern, parse_policy
from aisecops_langchain.testing import ScriptedChatModel, call

@tool
def pay(to: str) -> str:
    "Pay someone."
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
    return "paid"

policy = parse_policy('''{policy(", timeout_seconds: 60")}''')
with Governor.open(policy, sys.argv[1], durability="none") as governor:
    agent = govern(ScriptedChatModel(script=[[call("pay", "c1", to="bob")], "done"]), [pay], governor=governor)
    given = {{"messages": [("user", "pay")]}}
    try:
        asyncio.run(agent.ainvoke(given)) if sys.argv[2] == "async" else agent.invoke(given)
    except KeyboardInterrupt:
        print("interrupted", *(str(facts.state) for facts in governor.effects.find()))
""")
    for form in ("sync", "async"):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(script), str(tmp_path / form), form],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout.split() == ["interrupted", "unknown"], done.stderr


@FORM
async def test_only_an_idempotent_tool_is_tried_again(quick: Office, coroutine: bool) -> None:
    retries = ", idempotent: true, retries: {attempts: 3, backoff_seconds: 0.01}"
    for terms, tries, said in ((retries, 2, "paid"), ("", 1, "The tool failed")):
        bank = bank_for(quick, OSError(), "paid", coroutine=coroutine)
        with open_governor(quick.home / f"own-{tries}", policy(terms)) as governor:
            graph = quick.agent(PAY, "done", tools=[bank.tool()], governor=governor, checkpointer=None)
            result = await quick.run(graph, says("pay"))
        assert said in answers(result)[0]
        assert len(bank.paid) == tries
        assert len(set(bank.keys)) == 1
        started = [event for event in read_events(governor) if event.kind == "execution_started"]
        assert [event.attempt for event in started] == list(range(1, tries + 1))
        assert {event.idempotency_key for event in started} == set(bank.keys)


@pytest.mark.parametrize("cached", ["guard", "execute"])
async def test_retries_and_caches_of_the_host_run_nothing_twice_and_skip_no_guard(
    quick: Office, monkeypatch: pytest.MonkeyPatch, cached: str
) -> None:
    """Every node is retried whatever it raises, and one is never run again where its cache has an answer."""
    add_node, compile_graph, cache = StateGraph.add_node, StateGraph.compile, InMemoryCache()

    def add(self: Any, name: Any, node: Any = None, **kw: Any) -> Any:
        retry = RetryPolicy(max_attempts=3, initial_interval=0.01, retry_on=Exception)
        policy_of_cache = CachePolicy(key_func=lambda *_a, **_k: "the same") if name == cached else None
        return add_node(self, name, node, **kw, retry_policy=retry, cache_policy=policy_of_cache)

    monkeypatch.setattr(StateGraph, "add_node", add)
    monkeypatch.setattr(StateGraph, "compile", lambda self, **kw: compile_graph(self, **kw, cache=cache))
    bank = bank_for(quick, ValueError(), coroutine=True)
    with open_governor(quick.home / "own", policy()) as governor:
        for thread in ("a", "b"):
            graph = quick.agent(PAY, "done", tools=[bank.tool()], governor=governor)
            await quick.run(graph, says("pay"), {"configurable": {"thread_id": thread}})
    assert bank.paid == ["bob"]
    events = read_events(governor)
    starts = [event for event in events if event.kind == "execution_started"]
    permits = [event for event in events if event.kind == "permit_issued"]
    assert [event.thread for event in starts] == ["a"]
    assert {event.permit for event in starts} <= {event.permit for event in permits}


async def test_our_errors_are_not_retried_by_the_hosts_default(quick: Office) -> None:
    tries = []

    def node(_state: Any) -> Any:
        tries.append(1)
        raise LedgerError("no ledger")

    graph = StateGraph(dict)
    graph.add_node("n", node, retry_policy=RetryPolicy(initial_interval=0.01))
    graph.set_entry_point("n")
    with pytest.raises(LedgerError):
        await quick.run(graph.compile(), {"x": 1})
    assert tries == [1]


KEYED = ", idempotent: true, retries: {attempts: 3, backoff_seconds: 0}, idempotency_key: request"


def keyed(bank: Bank) -> Any:
    """A tool that takes a key as an argument."""

    @tool
    def pay(to: str, request: str, note: Annotated[str, "why"] = "") -> str:
        """Pay someone."""
        assert bank.act(to) == "paid"
        bank.keys.append(request)
        return "paid"

    return pay


async def test_a_key_is_filled_in_by_the_runtime_and_no_model_can_choose_it(quick: Office) -> None:
    bank = Bank("paid")
    forged = [call("pay", "c0", to="bob", request="chosen")]
    with open_governor(quick.home / "own", policy(KEYED)) as governor:
        result = await quick.run(
            quick.agent(forged, PAY, "done", tools=[keyed(bank)], governor=governor), says("pay bob")
        )
    assert answers(result)[0].startswith("Not executed.")
    assert answers(result)[1] == "paid"
    assert len(set(bank.keys)) == 1
    events = read_events(governor)
    assert [event.idempotency_key for event in events if event.kind == "execution_started"] == bank.keys[:1]
    (plan,) = [event for event in events if event.kind == "plan_created"]
    assert "request" not in plan.steps[0].call.arguments


def test_a_model_is_not_shown_the_argument_of_the_key(quick: Office) -> None:
    shown: list[Any] = []
    with open_governor(quick.home / "own", policy(KEYED)) as governor:
        graph = quick.agent("done", tools=[keyed(Bank("paid"))], governor=governor)
        from aisecops_langchain.adapters.tools.governed import toolbox
        from aisecops_langchain.adapters.tools.keys import hide_keys

        tools = toolbox([keyed(Bank("paid"))])
        hide_keys(governor, tools)
        shown.append(tools["pay"].shown)
    assert graph is not None
    parameters = shown[0]["function"]["parameters"]
    assert set(parameters["properties"]) == {"to", "note"}
    assert parameters["required"] == ["to"]


@pytest.mark.parametrize("key", ["nothing", "number"])
def test_a_key_that_a_tool_cannot_take_is_refused_at_the_start(quick: Office, key: str) -> None:
    @tool
    def pay(to: str, number: int) -> str:
        """Pay someone."""
        return f"{to} {number}"

    text = policy(f", idempotency_key: {key}")
    with open_governor(quick.home / "own", text) as governor, pytest.raises(ConfigurationError):
        quick.agent("done", tools=[pay], governor=governor)


async def test_a_policy_that_moves_the_key_runs_nothing_until_the_graph_is_built_anew(quick: Office) -> None:
    from aisecops_langchain import parse_policy

    bank = Bank("paid")
    with open_governor(quick.home / "own", policy(KEYED)) as governor:
        graph = quick.agent(PAY, "done", tools=[keyed(bank)], governor=governor)
        governor.reload(parse_policy(policy()))
        result = await quick.run(graph, says("pay"))
    assert bank.paid == []
    assert "cannot carry it out" in answers(result)[0]


def test_no_key_outside_of_a_governed_call() -> None:
    with pytest.raises(ConfigurationError):
        current_idempotency_key()


def test_an_author_can_declare_a_deadline_and_a_key() -> None:
    declared = declared_effects(effects("spend", timeout_seconds=3, idempotency_key="request")(keyed(Bank("paid"))))
    assert declared is not None
    assert (declared.timeout_seconds, declared.idempotency_key) == (3, "request")
    with pytest.raises(ConfigurationError):
        effects("spend", timeout_seconds=-1)
