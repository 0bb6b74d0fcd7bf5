"""GraphML, for yEd, Gephi, NetworkX and the like.

Invariant: the document is well-formed XML without a document type, and every text from the log is character data.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape, quoteattr  # nosec - this writes XML and parses none

from aisecops_langchain.forensics.drawings.looks import edge_caption
from aisecops_langchain.forensics.graph.model import Graph, Node
from aisecops_langchain.forensics.text import name

_NODE_KEYS: Final = ("kind", "label", "run", "state", "integrity", "problems", "facts")
_EDGE_KEYS: Final = ("kind", "method", "caption")


def as_graphml(graph: Graph) -> str:
    """Write a graph as GraphML.

    Args:
        graph: The graph.

    Returns:
        The text of the document.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    lines += ['  <key id="notes" for="graph" attr.name="notes" attr.type="string"/>']
    lines += [_key("node", key) for key in _NODE_KEYS]
    lines += [_key("edge", key) for key in _EDGE_KEYS]
    lines += ['  <graph id="execution" edgedefault="directed">', f"    {_data('notes', ' | '.join(graph.notes))}"]
    for node in graph.nodes:
        data = "".join(_data(f"node-{key}", value) for key, value in _facts(node).items() if value)
        lines.append(f"    <node id={quoteattr(node.id)}>{data}</node>")
    for number, edge in enumerate(graph.edges):
        facts = {"kind": edge.kind.value, "method": edge.method, "caption": edge_caption(edge)}
        data = "".join(_data(f"edge-{key}", value) for key, value in facts.items() if value)
        ends = f"source={quoteattr(edge.source)} target={quoteattr(edge.target)}"
        lines.append(f'    <edge id="edge-{number}" {ends}>{data}</edge>')
    return "\n".join([*lines, "  </graph>", "</graphml>", ""])


def _facts(node: Node) -> dict[str, str]:
    return {
        "kind": node.kind.value,
        "label": node.label,
        "run": name(node.trace) if node.trace else "",
        "state": node.state,
        "integrity": node.integrity,
        "problems": ", ".join(node.problems),
        "facts": "; ".join(f"{key}: {value}" for key, value in node.facts.items()),
    }


def _key(owner: str, key: str) -> str:
    return f'  <key id="{owner}-{key}" for="{owner}" attr.name="{key}" attr.type="string"/>'


def _data(key: str, value: str) -> str:
    return f'<data key="{key}">{escape(value)}</data>'
