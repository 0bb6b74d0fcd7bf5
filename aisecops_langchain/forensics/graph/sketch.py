"""A graph in the making: nodes by identity, edges without repetition.

Invariant: adding what is there already only adds events, facts and problems to it; the order of first mention is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.labels import Source
from aisecops_langchain.forensics.graph.model import Edge, EdgeKind, Graph, Node, NodeKind
from aisecops_langchain.forensics.text import name

_ID_DIGITS: Final = 24
"""Enough that nobody finds two things with one id by trying."""


def node_id(kind: NodeKind, *identity: str) -> str:
    """Name a node.

    Args:
        kind: Its kind.
        *identity: What tells it from others of its kind.

    Returns:
        An identifier of letters, digits and a hyphen.
    """
    return f"{kind.value}-{digest_texts('node', kind.value, *identity).removeprefix('sha256:')[:_ID_DIGITS]}"


@dataclass(slots=True)
class _Draft:
    """A node that may still be added to."""

    kind: NodeKind
    label: str
    trace: str
    state: str = ""
    integrity: str = ""
    events: dict[str, None] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)


class Sketch:
    """Collects nodes and edges."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}
        self._edges: dict[tuple[str, str, EdgeKind, str], None] = {}
        self._told: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)

    def __contains__(self, node: str) -> bool:
        return node in self._drafts

    def add(
        self,
        kind: NodeKind,
        identity: Iterable[str],
        *,
        label: str,
        trace: str = "",
        event: str = "",
        state: str = "",
        integrity: str = "",
        facts: Mapping[str, str] | None = None,
    ) -> str:
        """Add a node, or more about a node.

        Args:
            kind: Its kind.
            identity: What tells it from others of its kind.
            label: One printable line.
            trace: The run that it belongs to.
            event: Id of an event that tells of it.
            state: What became of it; the last one that is told counts.
            integrity: Its trust.
            facts: More about it, in printable words.

        Returns:
            Its id.
        """
        key = node_id(kind, *identity)
        draft = self._drafts.setdefault(key, _Draft(kind, label, trace))
        draft.label = label
        draft.state = state or draft.state
        draft.integrity = integrity or draft.integrity
        draft.facts.update(facts or {})
        if event:
            draft.events[event] = None
            self._told[trace, event][key] = None
        return key

    def source(self, source: Source) -> str:
        """Add a source, which all runs share.

        Args:
            source: The source.

        Returns:
            The node's id.
        """
        where = source.kind.value.replace("_", " ")
        facts = {"door": source.kind.value, "name": name(source.name), "digest": name(source.digest)}
        identity = (source.kind.value, source.name, source.digest)
        return self.add(NodeKind.SOURCE, identity, label=f"{where} {name(source.name)}", facts=facts)

    def link(self, source: str, target: str, kind: EdgeKind, method: str = "") -> None:
        """Add an edge; one to or from a node that is never added is left out in the end.

        Args:
            source: Id of the cause.
            target: Id of what followed.
            kind: How.
            method: For a value that was found, how.
        """
        if source != target:
            self._edges[source, target, kind, method] = None

    def accuse(self, node: str, code: str) -> None:
        """Note a problem on a node.

        Args:
            node: Its id.
            code: Code of the problem.
        """
        self._drafts[node].problems[code] = None

    def told_by(self, trace: str, event: str) -> tuple[tuple[NodeKind, str], ...]:
        """Return kind and id of the nodes of a run that an event tells of.

        Args:
            trace: The run.
            event: The event's id.
        """
        return tuple((self._drafts[key].kind, key) for key in self._told.get((trace, event), ()))

    def done(self, notes: Iterable[str]) -> Graph:
        """Return the graph.

        Args:
            notes: What whoever looks at it must know first.
        """
        nodes = tuple(
            Node(
                id=key,
                kind=draft.kind,
                label=draft.label,
                trace=draft.trace,
                events=tuple(draft.events),
                state=draft.state,
                integrity=draft.integrity,
                facts=draft.facts,
                problems=tuple(draft.problems),
            )
            for key, draft in self._drafts.items()
        )
        edges = tuple(
            Edge(source=source, target=target, kind=kind, method=method)
            for source, target, kind, method in self._edges
            if source in self._drafts and target in self._drafts
        )
        return Graph(nodes=nodes, edges=edges, notes=tuple(notes))
