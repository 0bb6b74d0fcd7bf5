"""Origin: everything that an effect followed from, or a call that never took effect.

Invariant: the origin of an effect is all of its causes in the graph, back to sources and prompts; none is left out for
being trusted or far away, and no call for having been refused.
"""

from __future__ import annotations

from collections.abc import Collection

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.forensics.graph.index import Index
from aisecops_langchain.forensics.graph.model import EdgeKind, Graph, Node, NodeKind
from aisecops_langchain.forensics.graph.taint import TaintedArgument, fate_of, tainted_arguments
from aisecops_langchain.forensics.text import name

_TO_CALL = (EdgeKind.RAN, EdgeKind.TRIED, EdgeKind.PERMITTED, EdgeKind.DECIDED)


class OriginSource(Frozen):
    """A source that an effect followed from."""

    node: Node
    integrity: str
    """The least trust with which it was read on the way; empty where the log does not show it being read."""
    hops: int
    """How many effects lie between it and this one."""


class Origin(Frozen):
    """What one effect followed from."""

    effect: Node
    """The effect; or the call, if it was refused or never came to anything."""
    calls: tuple[Node, ...]
    """The calls that led to it: the one that ran, and the one that a person edited into it."""
    decisions: tuple[Node, ...]
    """Decisions on those calls."""
    approvals: tuple[Node, ...]
    """What persons said about them."""
    arguments: tuple[TaintedArgument, ...]
    sources: tuple[OriginSource, ...]
    """The nearest first."""
    graph: Graph
    """The part of the graph that it followed from."""


def origin(graph: Graph, wanted: str) -> tuple[Origin, ...]:
    """Find what effects followed from.

    Args:
        graph: The graph.
        wanted: A tool's name, a call id, an event's id, or a node's.

    Returns:
        One entry per effect that goes by it, in the order of the graph; then one per call that took no effect.
    """
    index = Index(graph)
    effects = [node for node in graph.nodes if node.kind is NodeKind.EFFECT and _goes_by(node, wanted)]
    found = [_origin(graph, index, node, _authority(index, node.id)) for node in effects]
    told = {call.id for item in found for call in item.calls}
    calls = [node for node in graph.nodes if node.kind is NodeKind.CALL and _goes_by(node, wanted)]
    refused = [node for node in calls if node.id not in told and _came_to_nothing(index, node)]
    found.extend(_origin(graph, index, node, _answers(index, node.id)) for node in refused)
    return tuple(found)


def _goes_by(node: Node, wanted: str) -> bool:
    return wanted == node.id or wanted in node.events or name(wanted) in (node.facts["tool"], node.facts["call_id"])


def _came_to_nothing(index: Index, call: Node) -> bool:
    """Whether a call had no effect, neither itself nor as what a person made of it."""
    answers = index.reach([call.id], kinds=(EdgeKind.DECIDED, EdgeKind.ASKED))
    edited = any(True for node in answers for _ in index.after(node, EdgeKind.EDITED))
    return not (edited or fate_of(index, call.id).effect)


def _origin(graph: Graph, index: Index, effect: Node, near: Collection[str]) -> Origin:
    hops = index.reach([effect.id], backwards=True)
    behind = [node for node in graph.nodes if node.id in near]
    calls = tuple(node for node in behind if node.kind is NodeKind.CALL)
    shown = {*hops, *near}
    sources = [
        OriginSource(node=node, integrity=_least(index, node.id, hops), hops=hops[node.id])
        for node in graph.nodes
        if node.kind is NodeKind.SOURCE and node.id in hops
    ]
    return Origin(
        effect=effect,
        calls=calls,
        decisions=tuple(node for node in behind if node.kind is NodeKind.DECISION),
        approvals=tuple(node for node in behind if node.kind in (NodeKind.APPROVAL, NodeKind.GRANT)),
        arguments=tuple(item for call in calls for item in tainted_arguments(index, call)),
        sources=tuple(sorted(sources, key=lambda item: item.hops)),
        graph=Graph(
            nodes=tuple(node for node in graph.nodes if node.id in shown),
            edges=tuple(edge for edge in graph.edges if edge.source in shown and edge.target in shown),
            notes=graph.notes,
        ),
    )


def _authority(index: Index, effect: str) -> dict[str, int]:
    """What allowed an effect: permit, decision, answers, and the calls that they were about."""
    return index.reach([effect], backwards=True, kinds=(*_TO_CALL, EdgeKind.ASKED, EdgeKind.EDITED))


def _answers(index: Index, call: str) -> dict[str, int]:
    """What was said about a call that took no effect: decisions and answers, and the call that it was made of."""
    back = index.reach([call], backwards=True, kinds=(EdgeKind.EDITED, EdgeKind.ASKED, EdgeKind.DECIDED))
    return {**index.reach([call], kinds=(EdgeKind.DECIDED, EdgeKind.ASKED)), **back}


def _least(index: Index, source: str, hops: dict[str, int]) -> str:
    ranks = {"untrusted": 0, "first_party": 1, "user": 2, "system": 3}
    read = [index.nodes[edge.target] for edge in index.after(source, EdgeKind.READ) if edge.target in hops]
    return min((node.integrity for node in read), key=lambda level: ranks.get(level, 0), default="")
