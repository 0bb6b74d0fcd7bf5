"""The sanitising retriever among callbacks, graphs and logs, and LangChain's own standard suite."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

import pytest
from adapter_kit import Driver, Office, log_bytes, read_events, says
from langchain_community.retrievers import BM25Retriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import create_retriever_tool
from langchain_tests.integration_tests import RetrieversIntegrationTests
from langgraph.graph import START, StateGraph
from retriever_kit import MARK, POISON, Fixed, Spy, found, wrap

from aisecops_langchain import AuditCallbackHandler, GovernanceState, Governor, SanitizingRetriever
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.testing import call

# --- callbacks --------------------------------------------------------------------------------------------------------


async def test_callbacks_of_the_caller_never_see_raw_documents(bare: Driver, kw: dict[str, Any]) -> None:
    spy = Spy()
    retriever = wrap(Document(page_content=POISON, metadata={"note": POISON}), **kw)
    await found(bare, retriever, config={"callbacks": [spy]})
    assert spy.starts == 1
    assert spy.seen
    assert MARK not in "".join(spy.seen)


async def test_callbacks_of_a_chain_never_see_raw_documents(bare: Driver, kw: dict[str, Any]) -> None:
    spy = Spy()
    chain = wrap(Document(page_content=POISON), **kw) | (lambda documents: documents[0].page_content)
    await found(bare, chain, config={"callbacks": [spy]})
    assert spy.starts == 1
    assert MARK not in "".join(spy.seen)


async def test_callbacks_bound_to_the_wrapper_never_see_raw_documents(bare: Driver, kw: dict[str, Any]) -> None:
    spy = Spy()
    await found(bare, wrap(Document(page_content=POISON), **kw).with_config(callbacks=[spy]))
    assert spy.starts == 1
    assert MARK not in "".join(spy.seen)


async def test_callbacks_around_a_graph_never_see_raw_documents(light: Driver, governor: Governor) -> None:
    spy = Spy()
    retriever = wrap(Document(page_content=POISON), governor=governor)

    def node(_: Any, config: RunnableConfig) -> dict[str, Any]:
        return says(retriever.invoke("x")[0].page_content)  # no config: the host finds it in the context

    async def anode(_: Any, config: RunnableConfig) -> dict[str, Any]:
        return says((await retriever.ainvoke("x"))[0].page_content)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(GovernanceState)
    builder.add_node("n", anode if light.is_async else node).add_edge(START, "n")
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [spy]}
    await light.run(builder.compile(checkpointer=light.saver), says("go"), config)
    assert spy.starts == 1
    assert MARK not in "".join(spy.seen)


async def test_streamed_events_hold_no_raw_document(governor: Governor) -> None:
    chain = wrap(Document(page_content=POISON), governor=governor) | (lambda documents: documents)
    events = [event async for event in chain.astream_events("x", version="v2")]
    assert events
    assert MARK not in repr(events)


async def test_batches_are_cleaned_too(bare: Driver, kw: dict[str, Any]) -> None:
    retriever = wrap(Document(page_content=POISON), **kw)
    batch = await retriever.abatch(["a", "b"]) if bare.is_async else retriever.batch(["a", "b"])
    assert len(batch) == 2
    assert MARK not in repr(batch)


# --- the record -------------------------------------------------------------------------------------------------------


async def test_what_was_found_is_recorded_without_the_words(bare: Driver, governor: Governor) -> None:
    retriever = wrap(Document(page_content=POISON), Document(page_content="CANARY-9 is fine"), governor=governor)
    await found(bare, retriever, config={"callbacks": [AuditCallbackHandler(governor)]})
    events = read_events(governor)
    assert [event.kind for event in events] == [
        "retrieval_started",
        "content_sanitized",
        "content_admitted",
        "retrieval_finished",
    ]
    assert len({event.trace for event in events}) == 1
    assert events[1].findings
    assert MARK.encode() not in log_bytes(governor)
    assert b"CANARY-9" not in log_bytes(governor)


async def test_as_a_tool_of_a_governed_agent_its_events_join_the_run(office: Office) -> None:
    retriever = wrap(Document(page_content=POISON), Document(page_content="Rates are 3%."), governor=office.governor)
    search = create_retriever_tool(retriever, "search", "Search the files.")
    graph = office.agent([call("search", "c1", query="rates")], "done", tools=[search])
    result = await office.run(graph, says("rates?"))
    assert MARK not in repr(result)
    assert "Rates are 3%." in repr(result)
    events = office.events()
    assert len({event.trace for event in events}) == 1
    chunks = [event for event in events if event.kind.startswith("content_") and event.source.kind == "retrieval_chunk"]
    assert [event.kind for event in chunks] == ["content_sanitized", "content_admitted"]
    assert {event.thread for event in events} == {"t1"}


async def test_a_closed_log_withholds_everything(bare: Driver, governor: Governor) -> None:
    retriever = wrap(Document(page_content="fine"), governor=governor)
    governor.close()
    with pytest.raises(AisecopsError):
        await found(bare, retriever)


# --- LangChain's own suite --------------------------------------------------------------------------------------------


class TestStandard(RetrieversIntegrationTests):
    """LangChain's standard tests for retrievers, sync and async, over BM25."""

    texts: ClassVar[list[str]] = [f"document {n} about invoices" for n in range(5)]

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        """The wrapper; the number of results belongs to what it wraps."""
        return SanitizingRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        """What it wraps."""
        return {"inner": BM25Retriever.from_texts(self.texts)}

    @property
    def retriever_query_example(self) -> str:
        """A query."""
        return "invoices"


def test_a_misspelt_parameter_is_refused(governor: Governor) -> None:
    """Whoever misspells ``governor`` must not get a retriever that records nothing."""
    with pytest.raises(ValueError, match="govenor"):
        SanitizingRetriever(inner=Fixed(documents=[]), govenor=governor)  # type: ignore[call-arg]


async def test_keyword_arguments_are_not_silently_dropped(bare: Driver) -> None:
    """Asked for one document, a wrapper that returns four is wrong; one that refuses is right."""
    documents = [Document(page_content=str(n)) for n in range(4)]
    with suppress(TypeError):
        assert len(await bare.run(wrap(*documents), "x", None, k=1)) == 1
