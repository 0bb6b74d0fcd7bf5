"""The audit callback handler: a witness of any chain, once, without content, and never in the way."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from adapter_kit import POLICY, Driver, Office, log_bytes, open_governor, read_events, says
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from aisecops_langchain import AuditCallbackHandler, GovernanceState, Governor, Principal
from aisecops_langchain.testing import MemorySink, ScriptedChatModel, call

CANARY = "CANARY-7f3a"


class Docs(BaseRetriever):
    """Answers with one document, or fails."""

    fails: bool = False

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if self.fails:
            raise ConnectionError(CANARY)
        return [Document(page_content=f"{CANARY} about {query}")]


@tool
def lookup(query: str) -> str:
    """Look something up."""
    return f"{CANARY} {query}"


@tool
def broken(query: str) -> str:
    """Fail."""
    raise ValueError(CANARY)


def model(*script: Any) -> ScriptedChatModel:
    return ScriptedChatModel(script=list(script or (f"{CANARY} answer",)))


PROMPT = ChatPromptTemplate.from_messages([("human", "{query}")])
CHAINS: dict[str, tuple[Any, list[str]]] = {
    "chat": (lambda: PROMPT | model(), ["model_started", "model_finished"]),
    "llm": (lambda: PROMPT | FakeListLLM(responses=[CANARY]), ["model_started", "model_finished"]),
    "tool": (lambda: lookup, ["tool_started", "tool_finished"]),
    "retriever": (
        lambda: RunnableLambda(lambda given: given["query"]) | Docs(),
        ["retrieval_started", "retrieval_finished"],
    ),
}


@pytest.mark.parametrize(("make", "kinds"), CHAINS.values(), ids=CHAINS)
async def test_the_spans_of_a_plain_chain_are_recorded_once(
    bare: Driver, governor: Governor, make: Any, kinds: list[str]
) -> None:
    handler = AuditCallbackHandler(governor, Principal(agent="plain"))
    await bare.run(make(), {"query": CANARY}, {"callbacks": [handler]})
    events = read_events(governor)
    assert [event.kind for event in events] == kinds
    assert len({event.run for event in events}) == 1
    assert len({event.trace for event in events}) == 1
    assert {event.principal.agent for event in events} == {"plain"}


FAILING: dict[str, tuple[Any, list[str]]] = {
    "model": (lambda: PROMPT | model(lambda _: 1 / 0), ["model_started", "model_failed"]),
    "tool": (lambda: broken, ["tool_started", "tool_failed"]),
    "retriever": (
        lambda: RunnableLambda(lambda given: given["query"]) | Docs(fails=True),
        ["retrieval_started", "retrieval_failed"],
    ),
}


@pytest.mark.parametrize(("make", "kinds"), FAILING.values(), ids=FAILING)
async def test_failures_are_recorded_by_type_only(
    bare: Driver, governor: Governor, make: Any, kinds: list[str]
) -> None:
    with pytest.raises((ZeroDivisionError, ValueError, ConnectionError)) as caught:
        await bare.run(make(), {"query": "x"}, {"callbacks": [AuditCallbackHandler(governor)]})
    events = read_events(governor)
    assert [event.kind for event in events] == kinds
    assert events[-1].error == caught.type.__name__


@pytest.mark.parametrize("chain", [*CHAINS, *(f"failing-{name}" for name in FAILING)])
async def test_no_content_stands_in_the_log(bare: Driver, governor: Governor, chain: str) -> None:
    make, _ = FAILING[chain.removeprefix("failing-")] if chain.startswith("failing-") else CHAINS[chain]
    try:
        await bare.run(make(), {"query": CANARY}, {"callbacks": [AuditCallbackHandler(governor)]})
    except (ZeroDivisionError, ValueError, ConnectionError):
        assert chain.startswith("failing-")
    assert CANARY.encode() not in log_bytes(governor)


@pytest.mark.parametrize(("make", "kinds"), CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("twice", ["same", "other", "bound"])
async def test_attached_twice_it_emits_once(
    bare: Driver, governor: Governor, twice: str, make: Any, kinds: list[str]
) -> None:
    handler = AuditCallbackHandler(governor)
    other = AuditCallbackHandler(governor) if twice == "other" else handler
    runnable: Runnable[Any, Any] = make()
    if twice == "bound":
        runnable = runnable.with_config(callbacks=[handler])
    await bare.run(runnable, {"query": "x"}, {"callbacks": [handler, other]})
    assert [event.kind for event in read_events(governor)] == kinds


async def test_runs_are_told_apart(bare: Driver, governor: Governor) -> None:
    handler = AuditCallbackHandler(governor)
    for _ in range(3):
        await bare.run(PROMPT | model(), {"query": "x"}, {"callbacks": [handler]})
    events = read_events(governor)
    assert len(events) == 6
    assert len({event.trace for event in events}) == 3


async def test_the_spans_of_one_chain_share_a_trace(bare: Driver, governor: Governor) -> None:
    """One question to a retrieval chain is one run, however deep its parts are nested."""
    gather = RunnableParallel(
        documents=RunnableLambda(lambda given: given["query"]) | Docs(), query=RunnablePassthrough()
    )
    chain = gather | RunnableLambda(lambda given: {"query": str(given["documents"])}) | PROMPT | model()
    await bare.run(chain, {"query": "x"}, {"callbacks": [AuditCallbackHandler(governor)]})
    events = read_events(governor)
    assert sorted(event.kind for event in events) == [
        "model_finished",
        "model_started",
        "retrieval_finished",
        "retrieval_started",
    ]
    assert len({event.trace for event in events}) == 1


async def test_an_unwritable_log_never_breaks_the_chain(
    bare: Driver, governor: Governor, caplog: pytest.LogCaptureFixture
) -> None:
    governor.close()
    handler = AuditCallbackHandler(governor)
    with caplog.at_level(logging.ERROR):
        answer = await bare.run(PROMPT | model("fine"), {"query": "x"}, {"callbacks": [handler]})
    assert answer.content == "fine"


@pytest.mark.parametrize("junk", ["\ud800", "x" * 3_000_000], ids=["surrogate", "huge"])
async def test_hostile_names_and_inputs_never_break_the_chain(bare: Driver, governor: Governor, junk: str) -> None:
    chain = (PROMPT | model("fine")).with_config(
        run_name=junk[:1000], metadata={"langgraph_node": junk, "thread_id": junk}
    )
    answer = await bare.run(chain, {"query": junk}, {"callbacks": [AuditCallbackHandler(governor)]})
    assert answer.content == "fine"


@pytest.mark.parametrize("forged", ["0" * 32, "not-a-trace", 7, None, ["x"], "x" * 100_000])
async def test_metadata_cannot_break_the_log(bare: Driver, governor: Governor, forged: Any) -> None:
    config = {"callbacks": [AuditCallbackHandler(governor)], "metadata": {"aisecops_trace": forged}}
    await bare.run(PROMPT | model("fine"), {"query": "x"}, config)
    for event in read_events(governor):
        assert isinstance(event.trace, str)


async def test_a_log_alone_is_enough(bare: Driver) -> None:
    sink = MemorySink()
    await bare.run(PROMPT | model("fine"), {"query": "x"}, {"callbacks": [AuditCallbackHandler(sink)]})
    assert [event.kind for event in sink.events] == ["model_started", "model_finished"]
    assert {event.policy for event in sink.events} == {"none"}


async def test_the_handler_records_and_does_not_decide(bare: Driver, governor: Governor) -> None:
    """A witness is no gate: attached to an ungoverned tool it stops nothing, and says nothing of permits."""
    assert await bare.run(lookup, {"query": "x"}, {"callbacks": [AuditCallbackHandler(governor)]})
    assert not [event for event in read_events(governor) if event.kind.startswith(("permit", "decision", "execution"))]


async def test_tokens_and_calls_are_counted(bare: Driver, governor: Governor) -> None:
    answer = AIMessage("x", tool_calls=[call("lookup", "c1", query="x")])
    answer.usage_metadata = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    await bare.run(PROMPT | model(answer), {"query": "x"}, {"callbacks": [AuditCallbackHandler(governor)]})
    finished = read_events(governor)[-1]
    assert (finished.tool_calls, finished.input_tokens, finished.output_tokens) == (1, 5, 7)


# --- in graphs --------------------------------------------------------------------------------------------------------


async def test_spans_of_a_governed_run_carry_its_trace(office: Office) -> None:
    graph = office.agent([call("search", "c1", query="x")], "done", [call("note", "c2", text="x")], "done")
    for words in ("one", "two"):
        await office.run(graph, says(words))
    events = office.events()
    traces = [event.trace for event in events if event.kind == "run_started"]
    assert len(traces) == 2
    for trace in traces:
        kinds = [event.kind for event in events if event.trace == trace]
        assert kinds.count("model_started") == kinds.count("model_finished") == 2
        assert kinds.count("tool_started") == kinds.count("tool_finished") == 1
    assert {event.trace for event in events} == set(traces)
    assert {event.thread for event in events} == {"t1"}
    assert {event.principal.agent for event in events} == {"clerk"}
    assert {event.node for event in events if event.kind.startswith("model_")} == {"plan"}
    assert {event.node for event in events if event.kind.startswith("tool_")} == {"execute"}


async def test_spans_and_decisions_of_one_graph_share_its_namespace(office: Office) -> None:
    """An event's checkpoint namespace is that of its graph: empty at the root."""
    await office.run(office.agent([call("search", "c1", query="x")], "done"), says("go"))
    assert {event.checkpoint_ns for event in office.events()} == {""}


async def test_a_governed_run_with_a_second_handler_emits_once(office: Office) -> None:
    graph = office.agent([call("search", "c1", query="x")], "done")
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [AuditCallbackHandler(office.governor)]}
    await office.run(graph, says("go"), config)
    kinds = office.kinds()
    assert kinds.count("model_started") == kinds.count("model_finished") == 2
    assert kinds.count("tool_started") == kinds.count("tool_finished") == 1


async def test_spans_can_be_left_out(office: Office) -> None:
    await office.run(office.agent([call("search", "c1", query="x")], "done", spans=False), says("go"))
    assert not [kind for kind in office.kinds() if kind.startswith(("model_", "tool_"))]


async def test_a_pause_is_not_recorded_as_a_failure(office: Office) -> None:
    graph = office.agent([call("pay", "c1", to="alice", amount=5)], "done")
    await office.run(graph, says("pay alice 5"))
    assert not [kind for kind in office.kinds() if kind.endswith("_failed")]


async def test_a_tool_that_pauses_an_ungoverned_graph_is_no_failure(quick: Office) -> None:
    @tool
    def asking() -> str:
        """Ask."""
        return str(interrupt("well?"))

    def node(_: Any, config: RunnableConfig) -> None:
        asking.invoke({}, config)

    async def anode(_: Any, config: RunnableConfig) -> None:
        await asking.ainvoke({}, config)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(GovernanceState)
    builder.add_node("n", anode if quick.driver.is_async else node)
    graph = builder.add_edge(START, "n").compile(checkpointer=quick.driver.saver)
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [AuditCallbackHandler(quick.governor)]}
    await quick.run(graph, says("go"), config)
    await quick.run(graph, Command(resume="yes"), config)
    kinds = quick.kinds()
    assert "tool_failed" not in kinds
    assert kinds[-1] == "tool_finished"


async def test_a_callback_that_raises_does_not_break_a_governed_run(office: Office) -> None:
    class Broken(BaseCallbackHandler):
        """Raises at every turn."""

        def __getattribute__(self, name: str) -> Any:
            if name.startswith("on_"):
                raise RuntimeError("broken")
            return super().__getattribute__(name)

    graph = office.agent([call("search", "c1", query="x")], "done")
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [Broken()]}
    result = await office.run(graph, says("go"), config)
    assert result["messages"][-1].content == "done"
    assert office.ran == ["search x"]


async def test_a_handler_with_another_policy_records_that_policy(bare: Driver, tmp_path: Path) -> None:
    with open_governor(tmp_path / "a", POLICY) as governor:
        await bare.run(PROMPT | model("x"), {"query": "x"}, {"callbacks": [AuditCallbackHandler(governor)]})
        digest = governor.policy.digest
        assert {event.policy for event in read_events(governor)} == {digest}
