"""Places of nodes in a drawing: one column for each kind, time from top to bottom.

Invariant: a function of the order of the nodes alone. A node stands lower than every earlier one of its own or a later
column, so that reading by lines is reading in the order of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aisecops_langchain.forensics.graph.model import Node, NodeKind

COLUMNS: Final = tuple(NodeKind)
"""Kinds from left to right."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands."""

    row: int
    column: int


def layout(nodes: Sequence[Node]) -> tuple[dict[str, Place], tuple[NodeKind, ...]]:
    """Place nodes.

    Args:
        nodes: The nodes, causes before effects within a run.

    Returns:
        The place of each node by id, and the kinds of the columns that are used.
    """
    used = tuple(kind for kind in COLUMNS if any(node.kind is kind for node in nodes))
    column = {kind: place for place, kind in enumerate(used)}
    places: dict[str, Place] = {}
    row, last = 0, -1
    for node in nodes:
        if column[node.kind] <= last:
            row += 1
        last = column[node.kind]
        places[node.id] = Place(row, last)
    return places, used
