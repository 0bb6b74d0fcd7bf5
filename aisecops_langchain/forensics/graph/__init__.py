"""The execution graph: what followed from what, from the sources of content to effects and outcomes.

Invariant: a graph is a function of the set of recorded events. An edge states what the log shows, its kind says how
strongly, and what the log does not show is a problem on a node or a note, never an edge.
"""

from __future__ import annotations

from aisecops_langchain.forensics.graph.build import execution_graph
from aisecops_langchain.forensics.graph.cut import cut
from aisecops_langchain.forensics.graph.model import Edge, EdgeKind, Graph, Node, NodeKind
from aisecops_langchain.forensics.graph.origin import Origin, origin
from aisecops_langchain.forensics.graph.radius import BlastRadius, Touched, blast_radius
from aisecops_langchain.forensics.graph.taint import Taint, TaintedArgument, taint_of

__all__ = [
    "BlastRadius",
    "Edge",
    "EdgeKind",
    "Graph",
    "Node",
    "NodeKind",
    "Origin",
    "Taint",
    "TaintedArgument",
    "Touched",
    "blast_radius",
    "cut",
    "execution_graph",
    "origin",
    "taint_of",
]
