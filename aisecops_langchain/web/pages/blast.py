"""Blast radius: everything that a document, tool or text touched, over the runs that the caller may see."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.graph import NodeKind, blast_radius
from aisecops_langchain.web.api.reach import graph_of
from aisecops_langchain.web.filters import single
from aisecops_langchain.web.pages.given import DRAWER
from aisecops_langchain.web.templating import page

_SUGGESTED: Final = 200


def blast_page(request: Request) -> Response:
    """Show what a source touched, or ask which source."""
    wanted = single(request.query_params, "source")
    graph = graph_of(request, "source", *DRAWER)
    sources = [node for node in graph.nodes if node.kind is NodeKind.SOURCE]
    members = {"wanted": wanted, "sources": sources[:_SUGGESTED], "notes": graph.notes}
    return page(request, "blast.html", {**members, "radius": blast_radius(graph, wanted) if wanted else None})
