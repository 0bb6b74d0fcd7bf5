"""What one governed call costs beside a bare ``ToolNode.invoke``, as a ratio measured in one run.

Run on demand (``make bench``); nothing here is a timed assertion. CPU time of this process, host's graph steps apart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime

from aisecops_langchain import Governor, Principal, parse_policy
from aisecops_langchain.adapters.tools.governed import toolbox
from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.labels import Source, SourceKind, label_for
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.provenance import LabelledText
from aisecops_langchain.runtime.decisions.case import Proposal
from aisecops_langchain.runtime.decisions.verdicts import Permitted
from aisecops_langchain.runtime.plans.planner import ProposedCall

ROUNDS = 400
POLICY = """
version: 1
id: bench
agents: {bench: {capabilities: [read]}}
capabilities:
  read: {tools: [lookup], risk: low, arguments: {query: {max_length: 500}}}
rules:
  - {id: read, effect: allow, tools: [lookup], when: {args.limit: {le: 10}}}
"""


@tool
def lookup(query: str, limit: int = 5) -> str:
    """Look something up."""
    return "nothing found"


class Stages:
    """Runs one governed call stage by stage and keeps the CPU time of each, in microseconds."""

    def __init__(self, governor: Governor) -> None:
        self.governor = governor
        self.tools = toolbox([lookup])
        self.principal = Principal(agent="bench")
        label = label_for(Source(kind=SourceKind.USER_PROMPT, name="human", digest="none"))
        self.contents = [LabelledText("please look up red shoes", label)]
        self.spent: dict[str, list[float]] = {}

    def timed(self, stage: str, work: Callable[[], object]) -> object:
        before = time.process_time_ns()
        result = work()
        self.spent.setdefault(stage, []).append((time.process_time_ns() - before) / 1000)
        return result

    def call(self, number: int) -> None:
        governor, tools = self.governor, self.tools
        scope = governor.scope(trace="ab" * 16, thread="bench", checkpoint_ns="", principal=self.principal)
        proposals = [ProposedCall(f"call-{number}", "lookup", {"query": "red shoes"})]

        def planned() -> object:
            made = governor.planner.plan(proposals, self.contents, tools, scope, turn=f"turn-{number}")
            governor.planner.record(made, scope)
            return made, governor.planner.refer(made, scope).to_json()

        def guarded() -> object:
            reference = governor.planner.recognise(found, scope)
            recalled = governor.planner.recall(reference, proposals, tools, scope)
            step = recalled.steps[0]
            proposal = Proposal(step, recalled.id, recalled.context, reference.calls[step.call_id])
            return governor.gate.decide(proposal, scope)

        def begun() -> object:
            arguments = tools["lookup"].canonical_arguments({"query": "red shoes", "limit": 5})
            binding = Binding(
                call_id=f"call-{number}",
                call=CanonicalCall.of("lookup", arguments).digest,
                tool="lookup",
                tool_definition=tools["lookup"].definition(),
                plan=plan.id,
                scope=scope,
            )
            return governor.execution.begin(verdict.permit.id, binding)

        def inspected() -> object:
            return governor.admission.admit("nothing found", scope, kind=SourceKind.TOOL_RESULT, name="lookup")

        plan, found = self.timed("plan", planned)
        verdict = self.timed("guard", guarded)
        assert isinstance(verdict, Permitted)
        running = self.timed("begin", begun)
        admitted = self.timed("inspect", inspected)
        digest = digest_text("result", "nothing found")
        self.timed("complete", lambda: governor.execution.complete(running, result=digest, label=admitted.label))


def bare(node: ToolNode, number: int) -> None:
    call = {"name": "lookup", "args": {"query": "red shoes"}, "id": f"call-{number}", "type": "tool_call"}
    config = {"configurable": {"__pregel_runtime": Runtime()}}
    node.invoke({"messages": [AIMessage("", tool_calls=[call])]}, config)


@pytest.mark.parametrize("durability", ["none", "group"])
def test_cost_of_a_governed_call(tmp_path: Path, durability: str) -> None:
    """Print the CPU time of each stage as a share of a bare ToolNode.invoke."""
    node = ToolNode([lookup])
    hosts: list[float] = []
    with Governor.open(parse_policy(POLICY), tmp_path, durability=durability) as governor:
        stages = Stages(governor)
        for number in range(ROUNDS):  # in turn, so that a noisy machine disturbs both alike
            stages.call(number)
            before = time.process_time_ns()
            bare(node, number)
            hosts.append((time.process_time_ns() - before) / 1000)
    host = statistics.median(hosts)
    print(f"\ndurability={durability}: bare ToolNode.invoke {host:.0f} us CPU")
    medians = {stage: statistics.median(values) for stage, values in stages.spent.items()}
    for stage, median in medians.items():
        print(f"  {stage:9} {median:7.0f} us  {median / host:6.1%}")
    core = sum(medians[stage] for stage in ("guard", "begin", "complete"))
    print(f"  guard, permit, ledger and audit: {core:.0f} us = {core / host:.1%} of a bare ToolNode.invoke")
    assert all(len(values) == ROUNDS for values in stages.spent.values())
