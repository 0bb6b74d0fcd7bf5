"""Taint paths: which source reached which argument of which call.

Invariant: a source that an argument was traced to is *found*; where the value was found nowhere, everything that the
model had before it *may* have put it there, and all of that is named.
"""

from __future__ import annotations

from collections.abc import Iterable

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.forensics.graph.index import Index
from aisecops_langchain.forensics.graph.model import EdgeKind, Graph, Node, NodeKind

_READ = (EdgeKind.READ,)
_MAY_HOLD = (EdgeKind.READ, EdgeKind.DURING)


class Fate(Frozen):
    """What became of one call."""

    decision: str = ""
    """``allow``, ``deny`` or ``require_approval``; empty where the log holds no decision."""
    approval: str = ""
    """The state of the request to a person, where there was one."""
    effect: str = ""
    """The state of its effect; empty where it neither ran nor wanted to."""


class TaintedArgument(Frozen):
    """One argument of one call, and where its value came from."""

    trace: str
    call: str
    """Node of the call."""
    shown: str
    """The call in one printable line."""
    argument: str
    method: str
    integrity: str
    found: tuple[str, ...]
    """Nodes of the sources in which the value was found."""
    held: tuple[str, ...]
    """Nodes of further sources that were read on the way there, and may be where it stands."""
    may: tuple[str, ...]
    """Nodes of the sources that may have led to it, where it was found nowhere."""
    fate: Fate


class Taint:
    """The arguments of a graph, of which a part can be traced at a time.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Graph) -> None:
        self._index = Index(graph)
        calls = (node for node in graph.nodes if node.kind is NodeKind.CALL)
        self._arguments = [
            (node, edge.source) for node in calls for edge in self._index.before(node.id, EdgeKind.ARGUMENT_OF)
        ]

    def __len__(self) -> int:
        return len(self._arguments)

    def part(self, offset: int, limit: int) -> tuple[TaintedArgument, ...]:
        """Tell where the values of some arguments came from.

        Args:
            offset: How many to leave out.
            limit: How many to tell at most.

        Returns:
            One entry per argument and call, in the order of the graph.
        """
        return tuple(
            _tainted(self._index, call, self._index.nodes[argument], fate_of(self._index, call.id))
            for call, argument in self._arguments[offset : offset + limit]
        )


def taint_of(graph: Graph) -> tuple[TaintedArgument, ...]:
    """Tell where the value of every argument came from.

    Args:
        graph: The graph.

    Returns:
        One entry per argument and call, in the order of the graph.
    """
    taint = Taint(graph)
    return taint.part(0, len(taint))


def tainted_arguments(index: Index, call: Node) -> tuple[TaintedArgument, ...]:
    """Tell where the arguments of one call came from.

    Args:
        index: The graph.
        call: Node of the call.

    Returns:
        One entry per argument.
    """
    fate = fate_of(index, call.id)
    return tuple(
        _tainted(index, call, index.nodes[edge.source], fate) for edge in index.before(call.id, EdgeKind.ARGUMENT_OF)
    )


def fate_of(index: Index, call: str) -> Fate:
    """Tell what became of a call.

    Args:
        index: The graph.
        call: Node of the call.

    Returns:
        The last decision on it, the answer to the last question about it, and the state of its effect.
    """
    decision = approval = effect = ""
    for decided in index.after(call, EdgeKind.DECIDED):
        decision = index.nodes[decided.target].state
        for edge in index.after(decided.target, EdgeKind.ASKED, EdgeKind.PERMITTED):
            if edge.kind is EdgeKind.ASKED:
                approval = index.nodes[edge.target].state
                continue
            effect = next((index.nodes[run.target].state for run in index.after(edge.target, EdgeKind.RAN)), effect)
    tried = next((index.nodes[edge.target].state for edge in index.after(call, EdgeKind.TRIED)), "")
    return Fate(decision=decision, approval=approval, effect=effect or tried)


def _sources(index: Index, nodes: Iterable[str], kinds: tuple[EdgeKind, ...]) -> tuple[str, ...]:
    """Name the sources behind some content, in the order in which they are met."""
    met = index.reach(nodes, backwards=True, kinds=kinds)
    return tuple(key for key in met if index.nodes[key].kind is NodeKind.SOURCE)


def _tainted(index: Index, call: Node, argument: Node, fate: Fate) -> TaintedArgument:
    found = [edge.source for edge in index.before(argument.id, EdgeKind.FOUND)]
    plans = [edge.source for edge in index.before(argument.id, EdgeKind.CHOSEN)]
    seen = [edge.source for plan in plans for edge in index.before(plan, EdgeKind.IN_CONTEXT)]
    direct = _sources(index, found, _READ)
    return TaintedArgument(
        trace=call.trace,
        call=call.id,
        shown=call.label,
        argument=argument.facts.get("argument", ""),
        method=argument.facts.get("method", ""),
        integrity=argument.integrity,
        found=direct,
        held=tuple(key for key in _sources(index, found, _MAY_HOLD) if key not in direct),
        may=_sources(index, seen, _MAY_HOLD),
        fate=fate,
    )
