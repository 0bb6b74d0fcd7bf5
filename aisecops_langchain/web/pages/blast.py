"""Blast radius: everything that a document, tool or text touched, over all runs that the caller may see."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.graph import NodeKind, blast_radius, execution_graph
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page

_SUGGESTED = 200


def blast_page(request: Request) -> Response:
    """Show what a source touched, or ask which source."""
    wanted = request.query_params.get("source", "")
    graph = execution_graph(site_of(request).library.traces(caller_of(request)))
    sources = [node for node in graph.nodes if node.kind is NodeKind.SOURCE]
    radius = blast_radius(graph, wanted) if wanted else None
    return page(request, "blast.html", {"radius": radius, "wanted": wanted, "sources": sources[:_SUGGESTED]})
