"""Blast radius: everything that a document, tool or text touched, over all runs that the caller may see."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.graph import NodeKind, blast_radius
from aisecops_langchain.web.api.reach import graph_of
from aisecops_langchain.web.filters import single
from aisecops_langchain.web.templating import page

_SUGGESTED = 200


def blast_page(request: Request) -> Response:
    """Show what a source touched, or ask which source."""
    wanted = single(request.query_params, "source")
    graph = graph_of(request, "source")
    sources = [node for node in graph.nodes if node.kind is NodeKind.SOURCE]
    radius = blast_radius(graph, wanted) if wanted else None
    return page(request, "blast.html", {"radius": radius, "wanted": wanted, "sources": sources[:_SUGGESTED]})
