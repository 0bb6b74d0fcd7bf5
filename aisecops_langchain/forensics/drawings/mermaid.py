"""Mermaid flowcharts, for Markdown pages.

Invariant: of a text from the log only letters, digits and a few harmless signs stand as they are; all others are entity
codes. So it can close no label, begin no directive, link, comment or markup, whatever renders the page.
"""

from __future__ import annotations

import re
from typing import Final

from aisecops_langchain.forensics.drawings.looks import FILL, border, caption, edge_caption
from aisecops_langchain.forensics.graph.model import Graph

_HARMLESS: Final = re.compile(r"[^A-Za-z0-9 .,]")


def as_mermaid(graph: Graph) -> str:
    """Write a graph as a Mermaid flowchart.

    Args:
        graph: The graph.

    Returns:
        The text of the flowchart.
    """
    number = {node.id: f"n{place}" for place, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    lines += [f'  note{place}["{_text(note)}"]:::note' for place, note in enumerate(graph.notes)]
    lines += [f'  {number[node.id]}["{_text(caption(node))}"]' for node in graph.nodes]
    lines += [
        f'  {number[edge.source]} -->|"{_text(edge_caption(edge))}"| {number[edge.target]}' for edge in graph.edges
    ]
    lines += [f"  style {number[node.id]} fill:{FILL[node.kind]},stroke:{border(node)}" for node in graph.nodes]
    lines += ["  classDef note fill:#fee2e2,stroke:#b91c1c,font-weight:bold"] if graph.notes else []
    return "\n".join([*lines, ""])


def _text(text: str) -> str:
    return _HARMLESS.sub(lambda found: f"#{ord(found.group())};", text)
