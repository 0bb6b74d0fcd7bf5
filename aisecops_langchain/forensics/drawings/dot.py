"""Graphviz (DOT language).

Invariant: every text is one quoted string in which quotes, backslashes and ampersands are escaped, so that it is
neither syntax, nor an escape sequence, nor an entity.
"""

from __future__ import annotations

from aisecops_langchain.forensics.drawings.looks import FILL, border, caption, edge_caption, stroke
from aisecops_langchain.forensics.graph.model import Graph


def as_dot(graph: Graph) -> str:
    """Write a graph for Graphviz.

    Args:
        graph: The graph.

    Returns:
        The text of a ``digraph``.
    """
    lines = ["digraph execution {", "  rankdir=LR;", '  node [shape=box, style=filled, fontname="sans-serif"];']
    if graph.notes:
        notes = "".join(f"{_escaped(note)}\\l" for note in graph.notes)
        lines += ["  labelloc=t; labeljust=l;", f'  label="{notes}";']
    lines += [
        f"  {_text(node.id)} [label={_text(caption(node))}, tooltip={_text(node.kind.value)}, "
        f'fillcolor="{FILL[node.kind]}", color="{border(node)}"];'
        for node in graph.nodes
    ]
    lines += [
        f'  {_text(edge.source)} -> {_text(edge.target)} [label={_text(edge_caption(edge))}, color="{stroke(edge)}"];'
        for edge in graph.edges
    ]
    return "\n".join([*lines, "}", ""])


def _text(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
