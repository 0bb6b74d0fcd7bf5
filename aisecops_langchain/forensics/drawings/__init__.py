"""Graphs in formats that other programs draw.

Invariant: what stands in a log is data in every one of them. It can close no quote, open no element and name no
address, and the notes that whoever looks must know first stand where they are seen first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aisecops_langchain.forensics.drawings.dot import as_dot
from aisecops_langchain.forensics.drawings.graphml import as_graphml
from aisecops_langchain.forensics.drawings.mermaid import as_mermaid
from aisecops_langchain.forensics.drawings.svg import as_svg
from aisecops_langchain.forensics.graph.model import Graph

DRAWINGS: Final[dict[str, Callable[[Graph], str]]] = {
    "dot": as_dot,
    "graphml": as_graphml,
    "mermaid": as_mermaid,
    "svg": as_svg,
}
"""Formats by name."""

__all__ = ["DRAWINGS", "as_dot", "as_graphml", "as_mermaid", "as_svg"]
