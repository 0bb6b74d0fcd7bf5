"""A drawing of its own: kinds in columns, time downwards, in plain SVG.

Invariant: the document holds rectangles, paths and text; no script, style sheet, link, embedded document or entity.
Every text from the log is escaped character data.
"""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape  # nosec - this writes XML and parses none

from aisecops_langchain.forensics.drawings.layout import Place, layout
from aisecops_langchain.forensics.drawings.looks import ALARM, FILL, PLAIN, border, caption, edge_caption, stroke
from aisecops_langchain.forensics.graph.cut import cut
from aisecops_langchain.forensics.graph.model import Edge, Graph, Node
from aisecops_langchain.forensics.text import clip

_MOST_NODES: Final = 400
"""A drawing of more is no longer looked at."""
_WIDTH: Final = 190
_HEIGHT: Final = 34
_GAP_X: Final = 36
_GAP_Y: Final = 16
_MARGIN: Final = 20
_LINE: Final = 20
_LETTERS: Final = 28
_FONT: Final = 'font-family="sans-serif" font-size="11"'


def as_svg(graph: Graph) -> str:
    """Draw a graph.

    Args:
        graph: The graph; of a larger one, the part that matters most is drawn, and that is said on top.

    Returns:
        The text of an SVG document.
    """
    shown = cut(graph, _MOST_NODES)
    places, kinds = layout(shown.nodes)
    top = _MARGIN + _LINE * (len(shown.notes) + 2)
    rows = max((place.row for place in places.values()), default=0) + 1
    width = 2 * _MARGIN + max(1, len(kinds)) * (_WIDTH + _GAP_X)
    height = top + rows * (_HEIGHT + _GAP_Y) + _MARGIN
    heads = [_words(_x(column), top - 10, kind.value, PLAIN, bold=True) for column, kind in enumerate(kinds)]
    notes = [_words(_MARGIN, _MARGIN + _LINE * line, note, ALARM, bold=True) for line, note in enumerate(shown.notes)]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {_FONT}>',
            "<title>Execution graph</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *notes,
            *heads,
            *(_edge(edge, places, top) for edge in shown.edges),
            *(_node(node, places[node.id], top) for node in shown.nodes),
            "</svg>",
            "",
        ]
    )


def _x(column: int) -> int:
    return _MARGIN + column * (_WIDTH + _GAP_X)


def _y(row: int, top: int) -> int:
    return top + row * (_HEIGHT + _GAP_Y)


def _node(node: Node, place: Place, top: int) -> str:
    x, y = _x(place.column), _y(place.row, top)
    facts = "; ".join(f"{key}: {value}" for key, value in node.facts.items())
    beside = node.integrity or node.state
    return (
        f"<g><title>{escape(caption(node))}{escape(' | ' + facts) if facts else ''}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="4" fill="{FILL[node.kind]}" '
        f'stroke="{border(node)}" stroke-width="{2 if node.problems else 1}"/>'
        + _words(x + 6, y + 14, _short(node.label), PLAIN)
        + _words(x + 6, y + 28, _short(", ".join(node.problems) or beside), border(node))
        + "</g>"
    )


def _edge(edge: Edge, places: dict[str, Place], top: int) -> str:
    start, end = places[edge.source], places[edge.target]
    x1, y1 = _x(start.column) + _WIDTH, _y(start.row, top) + _HEIGHT // 2
    x2, y2 = _x(end.column), _y(end.row, top) + _HEIGHT // 2
    bend = max(_GAP_X, abs(x2 - x1) // 3)
    colour = stroke(edge)
    curve = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return (
        f"<g><title>{escape(edge_caption(edge))}</title>"
        f'<path d="{curve}" fill="none" stroke="{colour}"/>'
        f'<path d="M{x2} {y2} l-6 -3 v6 z" fill="{colour}"/></g>'
    )


def _words(x: int, y: int, text: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{colour}"{weight}>{escape(text)}</text>'


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else clip(text, _LETTERS - 1).partition("…")[0] + "…"
