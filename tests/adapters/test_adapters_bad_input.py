"""Bad input from models: a refusal, never an effect, and the thread lives on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from adapter_kit import (
    APPROVE,
    POLICY,
    Office,
    allowing,
    answers,
    open_governor,
    says,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langgraph.types import Command

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.testing import call


async def refused(office: Office, *script: Any) -> Any:
    """Run a script whose calls must all be refused, and see that a later turn works."""
    graph = office.agent(*script, "done", "later")
    result = await office.run(graph, says("go"))
    assert office.ran == []
    assert "__interrupt__" not in result
    assert all(text.startswith("Not executed.") for text in answers(result))
    later = await office.run(graph, says("and now?"))
    assert later["messages"][-1].content == "later"
    assert office.ran == []
    return result


async def rejected_as(office: Office, code: str, *script: Any) -> Any:
    """The same, and the log says why."""
    result = await refused(office, *script)
    codes = {item.code for event in office.of("plan_rejected") for item in event.rejected}
    assert codes == {code}
    assert office.of("execution_started") == []
    return result


def invalid(name: str | None = "search", args: str | None = '{"query": ', id_: str | None = "c1") -> AIMessage:
    """A proposal whose arguments could not be parsed."""
    broken = {"name": name, "args": args, "id": id_, "error": "not JSON", "type": "invalid_tool_call"}
    return AIMessage("", invalid_tool_calls=[broken])  # type: ignore[list-item]


# --- what models come up with -----------------------------------------------------------------------------------------


async def test_an_unknown_tool_is_refused_without_naming_the_known_ones(office: Office) -> None:
    result = await rejected_as(office, "unknown_tool", [call("shell", "c1", cmd="x")])
    assert "search" not in answers(result)[0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"query": "x", "limit": 3},
        {},
        {"query": 7},
        {"query": None},
        {"query": ["x"]},
        {"query": {"x": 1}},
        {"Query": "x"},
        {"query": "x", "": ""},
        {"query": "x", "__class__": "y"},
    ],
    ids=str,
)
async def test_arguments_that_the_schema_refuses_are_refused(office: Office, arguments: Any) -> None:
    await rejected_as(office, "invalid_arguments", [{"name": "search", "args": arguments, "id": "c1"}])


async def test_arguments_are_coerced_once_and_run_as_decided(office: Office) -> None:
    graph = office.agent([call("pay", "c1", to="alice", amount="7")], "done")
    result = await office.run(graph, says("go"))
    assert result["__interrupt__"][0].value["action_requests"][0]["args"] == {"to": "alice", "amount": 7.0}
    await office.run(graph, Command(resume=APPROVE))
    assert office.ran == ["pay alice 7"]


async def test_malformed_arguments_are_refused(office: Office) -> None:
    await rejected_as(office, "malformed_arguments", invalid())


@pytest.mark.parametrize(
    "name", [None, "", "search", "x" * 10_000, "\ud800"], ids=["none", "empty", "ok", "long", "sur"]
)
async def test_malformed_calls_of_any_name_are_refused(quick: Office, name: str | None) -> None:
    await refused(quick, invalid(name=name))


async def test_malformed_and_good_calls_of_one_turn_are_told_apart(office: Office) -> None:
    both = invalid(id_="c2").model_copy(update={"tool_calls": [call("search", "c1", query="x")]})
    graph = office.agent(both, "done")
    result = await office.run(graph, says("go"))
    assert office.ran == ["search x"]
    said = {m.tool_call_id: m.content for m in result["messages"] if isinstance(m, ToolMessage)}
    assert said["c1"] == "found x"
    assert said["c2"].startswith("Not executed.")


async def test_calls_with_one_id_are_both_refused(office: Office) -> None:
    await rejected_as(office, "duplicate_call_id", [call("search", "c1", query="a"), call("search", "c1", query="b")])


async def test_a_good_and_a_malformed_call_with_one_id_are_both_refused(office: Office) -> None:
    both = invalid(id_="c1").model_copy(update={"tool_calls": [call("search", "c1", query="x")]})
    await rejected_as(office, "duplicate_call_id", both)


@pytest.mark.parametrize("missing", [None, ""])
async def test_a_call_without_an_id_is_refused(office: Office, missing: str | None) -> None:
    nameless = {"name": "search", "args": {"query": "x"}, "id": missing, "type": "tool_call"}
    await rejected_as(office, "missing_call_id", AIMessage("", tool_calls=[nameless]))  # type: ignore[list-item]


async def test_the_same_id_in_a_later_turn_is_another_call(office: Office) -> None:
    graph = office.agent([call("search", "c1", query="a")], "done", [call("search", "c1", query="b")], "done")
    await office.run(graph, says("go"))
    await office.run(graph, says("go on"))
    assert office.ran == ["search a", "search b"]


async def test_calls_beyond_the_limit_are_refused(office: Office) -> None:
    policy = POLICY + "limits: {max_calls_per_plan: 2}\n"
    with open_governor(office.home / "few", policy) as governor:
        many = [call("search", f"c{n}", query=str(n)) for n in range(4)]
        graph = office.agent(many, "done", governor=governor)
        result = await office.run(graph, says("go"))
    assert sorted(office.ran) == ["search 0", "search 1"]
    assert len([text for text in answers(result) if text.startswith("Not executed.")]) == 2


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


WEIRD: dict[str, Any] = {
    "surrogate": "\ud800",
    "surrogate-inside": {"a": ["\udfff"]},
    "surrogate-key": {"\ud800": 1},
    "beyond-64-bits": 2**64,
    "far-beyond-64-bits": -(10**400),
    "nan": float("nan"),
    "infinity": float("inf"),
    "nested-200": nested(200),
    "int-key": {1: "x"},
    "bytes": b"x",
    "tuple": (1, 2),
}


@pytest.fixture
def anything(office: Office) -> BaseTool:
    """A tool that takes whatever it is given."""

    @tool
    def anything(value: Any) -> str:
        """Take anything."""
        office.ran.append("anything")
        return "taken"

    return anything


@pytest.mark.parametrize("value", WEIRD.values(), ids=WEIRD)
async def test_a_value_without_a_canonical_form_is_refused(office: Office, anything: BaseTool, value: Any) -> None:
    with open_governor(office.home / "any", allowing("anything")) as governor:
        proposal = AIMessage("", tool_calls=[])
        proposal.tool_calls = [{"name": "anything", "args": {"value": value}, "id": "c1", "type": "tool_call"}]
        graph = office.agent(proposal, "done", "later", tools=[anything], governor=governor)
        result = await office.run(graph, says("go"))
        assert office.ran == []
        assert answers(result)[0].startswith("Not executed.")
        later = await office.run(graph, says("and now?"))
        assert later["messages"][-1].content == "later"


async def test_a_megabyte_of_argument_is_run_whole_or_refused_and_never_ends_the_thread(office: Office) -> None:
    big = "x" * 1_000_000
    graph = office.agent([call("search", "c1", query=big)], "done", "later")
    result = await office.run(graph, says("go"))
    assert office.ran in ([], [f"search {big}"])
    assert len(answers(result)) == 1
    later = await office.run(graph, says("and now?"))
    assert later["messages"][-1].content == "later"


@pytest.mark.parametrize("where", ["id", "name", "content", "key"])
async def test_lone_surrogates_anywhere_in_a_proposal_end_in_a_refusal(office: Office, where: str) -> None:
    bad = "\ud800"
    item = {"name": "search", "args": {"query": "x"}, "id": "c1", "type": "tool_call"}
    content = bad if where == "content" else ""
    item |= {"id": {"id": bad}, "name": {"name": bad}, "key": {"args": {"query": "x", bad: 1}}}.get(where, {})
    proposal = AIMessage(content)
    proposal.tool_calls = [item]  # type: ignore[list-item]
    graph = office.agent(proposal, "done", "later")
    await office.run(graph, says("go"))
    assert office.ran == (["search x"] if where == "content" else [])
    later = await office.run(graph, says("and now?"))
    assert later["messages"][-1].content == "later"


@pytest.mark.parametrize("length", [10_000, 2_000_000])
@pytest.mark.parametrize("where", ["id", "name"])
async def test_an_endless_id_or_name_neither_runs_nor_ends_the_thread(quick: Office, where: str, length: int) -> None:
    item: dict[str, Any] = {"name": "wipe", "args": {"path": "/"}, "id": "c1", "type": "tool_call"}
    item[where] = "x" * length
    graph = quick.agent([item], "done", "done")
    with suppress(AisecopsError):
        await quick.run(graph, says("go"))
    assert quick.ran == []
    later = await quick.run(graph, says("and now?"))
    assert later["messages"][-1].content == "done"


@pytest.mark.parametrize("prompt", ["\ud800", "x" * 2_000_000, ""], ids=["surrogate", "huge", "empty"])
async def test_a_weird_prompt_does_not_end_the_thread(quick: Office, prompt: str) -> None:
    graph = quick.agent("done", "later")
    await quick.run(graph, {"messages": [HumanMessage(prompt)]})
    later = await quick.run(graph, says("and now?"))
    assert later["messages"][-1].content in ("done", "later")


async def test_no_message_at_all_is_no_error(quick: Office) -> None:
    result = await quick.run(quick.agent("done"), {"messages": []})
    assert result["messages"][-1].content == "done"
