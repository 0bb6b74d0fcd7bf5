"""Nodes and edges of an execution graph, as plain data.

Invariant: every text that is shown (label, state, facts, problems) went through ``forensics.text``, so it is one
printable line, whatever the log holds; traces and event ids stand as recorded. Ids of nodes are digests of what the
node stands for, so two machines that read the same log give the same graph.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from aisecops_langchain.domain.base import Frozen


class NodeKind(StrEnum):
    """What a node stands for, in the order of a run."""

    RUN = "run"
    SOURCE = "source"
    CONTENT = "content"
    PLAN = "plan"
    ARGUMENT = "argument"
    CALL = "call"
    DECISION = "decision"
    APPROVAL = "approval"
    GRANT = "grant"
    PERMIT = "permit"
    EFFECT = "effect"
    OUTPUT = "output"
    OUTCOME = "outcome"


class EdgeKind(StrEnum):
    """How one thing led to another."""

    BEGAN = "began"
    """A run began with this prompt."""
    READ = "read"
    """Content came from this source, or carries it in its label."""
    DURING = "during"
    """Content was read while this tool ran; its result may hold it."""
    IN_CONTEXT = "in_context"
    """The model had it before it when it proposed or answered."""
    FOUND = "found"
    """The value of the argument was found there."""
    CHOSEN = "chosen"
    """The value was found nowhere: the model chose it with all of its context before it."""
    PROPOSED = "proposed"
    ARGUMENT_OF = "argument_of"
    DECIDED = "decided"
    ASKED = "asked"
    EDITED = "edited"
    """A person put this call in the place of the one asked about."""
    GRANTED = "granted"
    PERMITTED = "permitted"
    TRIED = "tried"
    """It ran, or wanted to, and the log holds no permit for it."""
    RAN = "ran"
    RETURNED = "returned"
    WROTE = "wrote"
    """The text of the argument is, word for word, what was read there."""
    SAID = "said"
    """An agent's final words, which others may read."""
    DELEGATED = "delegated"
    ENDED = "ended"


class Node(Frozen):
    """One thing in a graph."""

    id: str
    kind: NodeKind
    label: str
    """One printable line."""
    trace: str = ""
    """The run that it belongs to; empty for what runs share: sources and grants."""
    events: tuple[str, ...] = ()
    """Ids of the events that tell of it."""
    state: str = ""
    """What became of it: ``allow``, ``deny``, ``completed``, ``blocked``, ``withheld`` ..."""
    integrity: str = ""
    """Trust of content, a plan's context or an argument."""
    facts: dict[str, str] = Field(default_factory=dict)
    """More about it, in printable words."""
    problems: tuple[str, ...] = ()
    """Codes of gaps and violations that show at it."""


class Edge(Frozen):
    """One thing that led to another."""

    source: str
    target: str
    kind: EdgeKind
    method: str = ""
    """For a value that was found: how."""


class Graph(Frozen):
    """What followed from what, in one or more runs."""

    nodes: tuple[Node, ...]
    """Causes before effects within a run; runs by their beginning."""
    edges: tuple[Edge, ...]
    notes: tuple[str, ...] = ()
    """What whoever looks at the graph must know first: that the log does not verify, what is missing, what was cut."""
