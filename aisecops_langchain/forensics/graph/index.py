"""Looks up the edges of a graph from either end, and follows them.

Invariant: the number of hops to a node is the least number of effects that lie on any way to it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator

from aisecops_langchain.forensics.graph.model import Edge, EdgeKind, Graph, Node, NodeKind


class Index:
    """The edges of one graph by their ends.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes: dict[str, Node] = {node.id: node for node in graph.nodes}
        """All nodes by id."""
        self._out: defaultdict[str, list[Edge]] = defaultdict(list)
        self._in: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in graph.edges:
            self._out[edge.source].append(edge)
            self._in[edge.target].append(edge)

    def after(self, node: str, *kinds: EdgeKind) -> Iterator[Edge]:
        """Yield the edges that lead away from a node.

        Args:
            node: Its id.
            *kinds: Only of these kinds; all, if none is given.
        """
        return (edge for edge in self._out.get(node, ()) if not kinds or edge.kind in kinds)

    def before(self, node: str, *kinds: EdgeKind) -> Iterator[Edge]:
        """Yield the edges that lead to a node.

        Args:
            node: Its id.
            *kinds: Only of these kinds; all, if none is given.
        """
        return (edge for edge in self._in.get(node, ()) if not kinds or edge.kind in kinds)

    def reach(
        self, starts: Iterable[str], *, backwards: bool = False, kinds: Collection[EdgeKind] = ()
    ) -> dict[str, int]:
        """Find everything that follows from some nodes, or that they follow from.

        Args:
            starts: Ids of the nodes.
            backwards: Whether to go from effects to causes.
            kinds: Only along edges of these kinds; all, if none is given.

        Returns:
            The hops to each node, the starts included with none.
        """
        hops = dict.fromkeys(starts, 0)
        begun = frozenset(hops)
        waiting = deque(hops)
        while waiting:
            node = waiting.popleft()
            step = int(node not in begun and self.nodes[node].kind is NodeKind.EFFECT)
            edges = self.before(node, *kinds) if backwards else self.after(node, *kinds)
            for edge in edges:
                other = edge.source if backwards else edge.target
                if other in hops and hops[other] <= hops[node] + step:
                    continue
                hops[other] = hops[node] + step
                waiting.append(other) if step else waiting.appendleft(other)
        return hops
