"""How kinds of nodes and edges look, the same in every format.

Invariant: colour never says anything that the words beside it do not say, too.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.forensics.graph.model import Edge, EdgeKind, Node, NodeKind

FILL: Final[dict[NodeKind, str]] = {
    NodeKind.RUN: "#e5e7eb",
    NodeKind.SOURCE: "#f3f4f6",
    NodeKind.CONTENT: "#e0f2fe",
    NodeKind.PLAN: "#ede9fe",
    NodeKind.ARGUMENT: "#f5f3ff",
    NodeKind.CALL: "#ddd6fe",
    NodeKind.DECISION: "#fef9c3",
    NodeKind.APPROVAL: "#fde68a",
    NodeKind.GRANT: "#fde68a",
    NodeKind.PERMIT: "#dcfce7",
    NodeKind.EFFECT: "#86efac",
    NodeKind.OUTPUT: "#e0f2fe",
    NodeKind.OUTCOME: "#e5e7eb",
}
"""Background by kind; dark text on it is readable."""

ALARM: Final = "#b91c1c"
WARNING: Final = "#b45309"
PLAIN: Final = "#374151"
FAINT: Final = "#9ca3af"

_ALARMING: Final = frozenset({"unknown", "blocked", "failed", "deny", "withheld", "rejected", "expired", "unfinished"})
_FAINT: Final = frozenset({EdgeKind.READ, EdgeKind.IN_CONTEXT, EdgeKind.ENDED, EdgeKind.BEGAN})


def caption(node: Node) -> str:
    """Say what a node is, in one line.

    Args:
        node: The node.

    Returns:
        Its label, its trust, and problems that show at it.
    """
    trust = f" [{node.integrity}]" if node.integrity else ""
    problems = f" !! {', '.join(node.problems)}" if node.problems else ""
    return f"{node.label}{trust}{problems}"


def border(node: Node) -> str:
    """Choose the colour of a node's border.

    Args:
        node: The node.

    Returns:
        A colour that stands out for problems, refusals and what nobody trusts.
    """
    if node.problems or node.state in _ALARMING:
        return ALARM
    return WARNING if node.integrity == "untrusted" else PLAIN


def stroke(edge: Edge) -> str:
    """Choose the colour of an edge.

    Args:
        edge: The edge.

    Returns:
        A faint one for what was merely seen.
    """
    if edge.kind is EdgeKind.TRIED:
        return ALARM
    return FAINT if edge.kind in _FAINT else WARNING if edge.kind is EdgeKind.FOUND else PLAIN


def edge_caption(edge: Edge) -> str:
    """Say how one thing led to another.

    Args:
        edge: The edge.

    Returns:
        The kind in words, with the method where a value was found.
    """
    kind = edge.kind.value.replace("_", " ")
    return f"{kind} ({edge.method})" if edge.method else kind
