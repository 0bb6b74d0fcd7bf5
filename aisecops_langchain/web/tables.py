"""Arranges a graph for the tables that say in words what its drawing shows."""

from __future__ import annotations

from collections import defaultdict

from aisecops_langchain.forensics.graph import Edge, Graph


def graph_members(graph: Graph, *, rows: int) -> dict[str, object]:
    """Arrange a graph.

    Args:
        graph: The graph.
        rows: Most nodes to show.

    Returns:
        What the templates of a graph show: ``graph``, the edges ``before`` and ``after`` each node, ``labels`` and
        ``shown``, the number of rows.
    """
    before: defaultdict[str, list[Edge]] = defaultdict(list)
    after: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        before[edge.target].append(edge)
        after[edge.source].append(edge)
    labels = {node.id: node.label for node in graph.nodes}
    return {"graph": graph, "before": before, "after": after, "labels": labels, "shown": rows}
