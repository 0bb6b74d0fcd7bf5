"""Bounds a graph, so that a long log, or one that somebody filled, still gives a picture.

Invariant: what says what was done, and by whose leave, is kept before what was only read; the cut is announced in the
first note, with numbers.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.forensics.graph.model import EdgeKind, Graph, Node, NodeKind

_EDGES_PER_NODE: Final = 6

_KEPT_FIRST: Final = {
    NodeKind.EFFECT: 0,
    NodeKind.RUN: 1,
    NodeKind.PERMIT: 1,
    NodeKind.APPROVAL: 1,
    NodeKind.DECISION: 1,
    NodeKind.CALL: 1,
    NodeKind.OUTCOME: 1,
    NodeKind.GRANT: 2,
    NodeKind.PLAN: 2,
    NodeKind.ARGUMENT: 3,
    NodeKind.OUTPUT: 3,
    NodeKind.CONTENT: 4,
    NodeKind.SOURCE: 5,
}
_WEAK: Final = frozenset({EdgeKind.READ, EdgeKind.DURING, EdgeKind.IN_CONTEXT, EdgeKind.ENDED})


def cut(graph: Graph, limit: int) -> Graph:
    """Keep at most so many nodes, and edges in proportion.

    Args:
        graph: The graph.
        limit: Most nodes to keep.

    Returns:
        The graph itself if it is small enough; else the part that matters most, with a note that says what is missing.
    """
    most_edges = limit * _EDGES_PER_NODE
    if len(graph.nodes) <= limit and len(graph.edges) <= most_edges:
        return graph
    ranked = sorted(graph.nodes, key=_rank)
    kept = {node.id for node in ranked[:limit]}
    edges = [edge for edge in graph.edges if edge.source in kept and edge.target in kept]
    strong = sorted(range(len(edges)), key=lambda place: edges[place].kind in _WEAK)[:most_edges]
    chosen = tuple(edges[place] for place in sorted(strong))
    left_out = f"{len(graph.nodes) - len(kept)} of {len(graph.nodes)} nodes"
    note = f"CUT: {left_out} and {len(graph.edges) - len(chosen)} of {len(graph.edges)} edges are left out"
    nodes = tuple(node for node in graph.nodes if node.id in kept)
    return Graph(nodes=nodes, edges=chosen, notes=(note, *graph.notes))


def _rank(node: Node) -> tuple[bool, int]:
    """Problems go first, then authority and effects, then content; sorting keeps the order of the run."""
    return not node.problems, _KEPT_FIRST[node.kind]
