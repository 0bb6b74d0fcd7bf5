"""The pages: each renders one template over the objects that the API gives.

Invariant: a page shows nothing that the API would not give the same caller.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.summary import summarize
from aisecops_langchain.forensics.timeline import timeline
from aisecops_langchain.web.paging import paging_of
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page


def runs_page(request: Request) -> Response:
    """Show the list of runs."""
    found = site_of(request).library.runs(caller_of(request), **paging_of(request.query_params))
    return page(request, "runs.html", {"runs": found})


def run_page(request: Request) -> Response:
    """Show one run."""
    library = site_of(request).library
    trace = library.trace(request.path_params["trace"], caller_of(request))
    members = {"summary": summarize(trace, library.delegations()), "timeline": timeline(trace)}
    return page(request, "run.html", members)
