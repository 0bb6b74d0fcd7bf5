"""What the page draws: a run's graph as JSON."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.graph import cut, execution_graph
from aisecops_langchain.web.answers import json_answer
from aisecops_langchain.web.site import caller_of, site_of


def drawing(request: Request) -> Response:
    """Give the graph of one run."""
    library = site_of(request).library
    trace = library.trace(request.query_params.get("trace", ""), caller_of(request))
    graph = cut(execution_graph([trace]), 2000)
    return json_answer(library.standing(), {"graph": graph.model_dump(mode="json")})
