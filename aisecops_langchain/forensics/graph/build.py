"""Builds the execution graph of one or more runs.

Invariant: runs meet only in what they share by name and digest: sources, texts that one wrote and another read, grants
and warrants.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from aisecops_langchain.domain.events import WarrantIssued
from aisecops_langchain.forensics.delegation import delegations_of
from aisecops_langchain.forensics.graph.acts import Acts
from aisecops_langchain.forensics.graph.contents import Contents
from aisecops_langchain.forensics.graph.model import EdgeKind, Graph, NodeKind
from aisecops_langchain.forensics.graph.sketch import Sketch, node_id
from aisecops_langchain.forensics.graph.written import Written
from aisecops_langchain.forensics.outcome import outcome_of
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.stages import STAGE_OF, TimelineStage
from aisecops_langchain.forensics.text import name, said
from aisecops_langchain.forensics.trace import Trace, is_span
from aisecops_langchain.forensics.violations import problems_of

_ACCUSED: Final = (NodeKind.EFFECT, NodeKind.PERMIT, NodeKind.APPROVAL, NodeKind.DECISION, NodeKind.CALL)
"""Where a problem shows, if its event tells of several nodes: at the one furthest on."""


def execution_graph(traces: Sequence[Trace], *, notes: Iterable[str] = ()) -> Graph:
    """Draw what followed from what.

    Args:
        traces: The runs; those of delegated agents beside those that delegated to them.
        notes: What whoever looks at the graph must know first, in printable words.

    Returns:
        The graph.
    """
    sketch, written = Sketch(), Written()
    issued: dict[str, tuple[str, ...]] = {}
    found: list[str] = []
    for trace in (trace for trace in traces if _acts(trace)):
        problems = problems_of(trace)
        issued |= _draw(sketch, trace, written)
        for problem in problems:
            _accuse(sketch, trace.id, problem)
        if problems:
            count = f"{len(problems)} {'gap or violation' if len(problems) == 1 else 'gaps or violations'}"
            found.append(f"the record of run {name(trace.id)} has {count}")
    found += _delegate(sketch, traces, issued)
    written.draw(sketch)
    return sketch.done([*notes, *found])


def _acts(trace: Trace) -> bool:
    """Whether a trace is a run; a stop, a refused identity and a new policy have traces of their own."""
    return any(not is_span(event) and STAGE_OF[event.kind] is not TimelineStage.CONTROL for event in trace.events)


def _draw(sketch: Sketch, trace: Trace, written: Written) -> dict[str, tuple[str, ...]]:
    """Draw one run; returns, for each warrant that it gave, the effects that were under way."""
    who = trace.principal
    run = sketch.add(
        NodeKind.RUN,
        (trace.id,),
        label=f"run of {name(who.agent)} for {name(who.user)}",
        trace=trace.id,
        facts={"thread": name(trace.thread), "tenant": name(who.tenant), "trace": name(trace.id)},
    )
    contents = Contents(sketch, trace.id, run, written)
    acts = Acts(sketch, trace, contents, written)
    issued: dict[str, tuple[str, ...]] = {}
    for event in trace.events:
        contents.visit(event)
        acts.visit(event)
        if isinstance(event, WarrantIssued):
            issued[event.id] = acts.under_way() or (run,)
    _end(sketch, trace, (*contents.outputs, *acts.effects), run)
    return issued


def _end(sketch: Sketch, trace: Trace, last: Sequence[str], run: str) -> None:
    outcome, event = outcome_of(trace)
    why = f": {said(event.reason)}" if event is not None and event.reason else ""
    node = sketch.add(
        NodeKind.OUTCOME,
        (trace.id,),
        label=f"the run ended: {outcome.value}{why}" if event is not None else f"the record ends: {outcome.value}",
        trace=trace.id,
        event=event.id if event is not None else "",
        state=outcome.value,
    )
    for cause in last or (run,):
        sketch.link(cause, node, EdgeKind.ENDED)


def _accuse(sketch: Sketch, trace: str, problem: Problem) -> None:
    told = dict(reversed(sketch.told_by(trace, problem.event))) if problem.event is not None else {}
    at = next((told[kind] for kind in _ACCUSED if kind in told), None)
    sketch.accuse(at or node_id(NodeKind.RUN, trace), problem.code.value)


def _delegate(sketch: Sketch, traces: Sequence[Trace], issued: dict[str, tuple[str, ...]]) -> list[str]:
    """Link runs by warrants; returns what is to be said of those whose other end is missing."""
    missing: list[str] = []
    for item in delegations_of(event for trace in traces for event in trace.events):
        for giver in issued.get(item.issued or "", ()):
            sketch.link(giver, node_id(NodeKind.RUN, item.child), EdgeKind.DELEGATED)
        if item.parent is None:
            who = f"{name(item.delegator)} delegated to {name(item.agent)}"
            missing.append(f"{who} in run {name(item.child)}, and the run in which it did is not in this log")
    return missing
