"""Blast radius: everything that a document, a tool or a text touched, over all runs.

Invariant: what is not listed did not follow from the source as far as the log can tell; what is listed may have. How
strongly is said for each call, and nothing is left out because it was refused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.forensics.graph.index import Index
from aisecops_langchain.forensics.graph.model import EdgeKind, Graph, Node, NodeKind
from aisecops_langchain.forensics.graph.taint import Fate, fate_of
from aisecops_langchain.forensics.text import name

_DIGEST: Final = "sha256:"
_LEAST_DIGITS: Final = 6
"""So many digits of a digest, and no fewer, name a source."""


class How(StrEnum):
    """How a source led to a call, the strongest first."""

    FOUND = "found"
    """The value of an argument was found in what carries it."""
    CONTEXT = "context"
    """The model had it before it when it proposed the call."""
    AFTER = "after"
    """The call follows from it otherwise: a person edited one that it led to, or a delegated run goes on."""


class Touched(Frozen):
    """One call that followed from a source."""

    trace: str
    call: str
    """Node of the call."""
    shown: str
    """The call in one printable line."""
    how: How
    hops: int
    """How many effects lie between: 0 where the source itself led to the call, 1 where the result of one did ..."""
    found: tuple[str, ...]
    """Arguments whose values were found in what carries it."""
    chosen: tuple[str, ...]
    """Arguments whose values were found nowhere, while it was before the model."""
    fate: Fate


class BlastRadius(Frozen):
    """What followed from a source."""

    query: str
    sources: tuple[Node, ...]
    """The sources that were meant; none where nothing in the log goes by that name."""
    runs: tuple[str, ...]
    """Traces that it reached."""
    contents: int
    """How often it was read, or content that followed from it."""
    touched: tuple[Touched, ...]
    """Calls in the order of the graph, refused ones included."""
    outputs: tuple[Node, ...]
    """Final words that followed from it."""
    graph: Graph
    """The part of the graph that followed."""


def blast_radius(graph: Graph, wanted: str) -> BlastRadius:
    """Find everything that a source touched.

    Args:
        graph: The graph of all runs.
        wanted: A document's, tool's or speaker's name, ``door:name``, or at least six digits of a digest.

    Returns:
        What followed from all sources that go by it.
    """
    sources = [node for node in graph.nodes if node.kind is NodeKind.SOURCE and _goes_by(node, wanted)]
    index = Index(graph)
    hops = index.reach(node.id for node in sources)
    reached = [node for node in graph.nodes if node.id in hops]
    return BlastRadius(
        query=name(wanted),
        sources=tuple(sources),
        runs=tuple(dict.fromkeys(node.trace for node in reached if node.trace)),
        contents=sum(node.kind is NodeKind.CONTENT for node in reached),
        touched=tuple(_touched(index, node, hops) for node in reached if node.kind is NodeKind.CALL),
        outputs=tuple(node for node in reached if node.kind is NodeKind.OUTPUT),
        graph=Graph(
            nodes=tuple(reached),
            edges=tuple(edge for edge in graph.edges if edge.source in hops and edge.target in hops),
            notes=graph.notes,
        ),
    )


def _goes_by(node: Node, wanted: str) -> bool:
    facts = node.facts
    if wanted == node.id or name(wanted) == facts["name"]:
        return True
    door, _, rest = wanted.partition(":")
    if door == facts["door"] and name(rest) == facts["name"]:
        return True
    digits = wanted.removeprefix(_DIGEST)
    return len(digits) >= _LEAST_DIGITS and facts["digest"].removeprefix(_DIGEST).startswith(digits)


def _touched(index: Index, call: Node, hops: dict[str, int]) -> Touched:
    near = {node for node, count in hops.items() if count <= hops[call.id]}  # a way over more effects says less
    found: list[str] = []
    chosen: list[str] = []
    for edge in index.before(call.id, EdgeKind.ARGUMENT_OF):
        named = index.nodes[edge.source].facts["argument"]
        if any(item.source in near for item in index.before(edge.source, EdgeKind.FOUND)):
            found.append(named)
        elif any(item.source in near for item in index.before(edge.source, EdgeKind.CHOSEN)):
            chosen.append(named)
    seen = any(edge.source in near for edge in index.before(call.id, EdgeKind.PROPOSED))
    return Touched(
        trace=call.trace,
        call=call.id,
        shown=call.label,
        how=How.FOUND if found else How.CONTEXT if seen else How.AFTER,
        hops=hops[call.id],
        found=tuple(found),
        chosen=tuple(chosen),
        fate=fate_of(index, call.id),
    )
