"""Documents that a subagent reads belong to the subagent's run, thread and all."""

from __future__ import annotations

import pytest
from adapter_kit import Office, open_governor, says
from langchain_core.documents import Document
from langchain_core.tools import StructuredTool
from retriever_kit import wrap

from aisecops_langchain import AuditCallbackHandler, StaticIdentity, govern, subagent_tool, warrant_of
from aisecops_langchain.forensics.problems import ProblemCode
from aisecops_langchain.forensics.trace import traces_of
from aisecops_langchain.forensics.violations import problems_of
from aisecops_langchain.testing import ScriptedChatModel, call

TEAM = """
version: 1
id: team
agents:
  boss: {capabilities: [ask, read]}
  clerk: {capabilities: [read]}
capabilities:
  ask: {tools: [ask_clerk], risk: low}
  read: {tools: [search], risk: low}
rules:
  - {id: all, effect: allow, tools: [ask_clerk, search]}
"""


@pytest.mark.parametrize("deep", [False, True], ids=["read by the tool", "read by a chain in the tool"])
async def test_what_a_subagent_retrieves_is_recorded_under_its_own_thread(quick: Office, deep: bool) -> None:
    governor = quick.governor = open_governor(quick.home / "team", TEAM)
    retriever = wrap(Document(page_content="ACME pays late.", id="d1"), governor=governor)
    reading = retriever | (lambda documents: documents) if deep else retriever

    def search(query: str) -> str:
        """Search."""
        return " ".join(document.page_content for document in reading.invoke(query))

    async def asearch(query: str) -> str:
        """Search."""
        return " ".join(document.page_content for document in await reading.ainvoke(query))

    clerk = govern(
        ScriptedChatModel(script=[call("search", query="ACME"), "late"]),
        [StructuredTool.from_function(search, asearch if quick.driver.is_async else None)],
        governor=governor,
        warrant=warrant_of,
    )
    ask = subagent_tool(clerk, governor, agent="clerk", tools=["search"], name="ask_clerk", description="Ask.")
    boss = quick.agent(
        call("ask_clerk", "b1", task="look up ACME"),
        "done",
        tools=[ask],
        governor=governor,
        agent="boss",
        identity=StaticIdentity("ann"),
    )
    config = {"configurable": {"thread_id": "t1"}, "callbacks": [AuditCallbackHandler(governor)]}
    await quick.run(boss, says("look up ACME"), config)

    read = [
        event for event in quick.events() if getattr(event, "source", None) and event.source.kind == "retrieval_chunk"
    ]
    (begun,) = [event for event in quick.of("run_started") if event.principal.agent == "clerk"]
    assert read
    assert {(event.trace, event.thread) for event in read} == {(begun.trace, begun.thread)}
    assert begun.thread != "t1"
    spans = quick.of("retrieval_started")
    assert {(event.trace, event.thread) for event in spans} == {(begun.trace, begun.thread)}
    for trace in traces_of(quick.events()):
        assert ProblemCode.SEVERAL_THREADS not in {problem.code for problem in problems_of(trace)}
