"""Runs: the list, and what one run did.

Invariant: what is answered is what ``aisecops replay`` prints with ``--json``, for a run that the caller may see.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.summary import summarize
from aisecops_langchain.forensics.timeline import timeline
from aisecops_langchain.web.answers import json_answer
from aisecops_langchain.web.paging import paging_of
from aisecops_langchain.web.site import caller_of, site_of


def list_traces(request: Request) -> Response:
    """List runs, the latest first."""
    library = site_of(request).library
    found = library.runs(caller_of(request), **paging_of(request.query_params))
    return json_answer(
        library.standing(),
        {
            "traces": [row.model_dump(mode="json") for row in found.runs],
            "total": found.total,
            "offset": found.offset,
            "limit": found.limit,
        },
    )


def show_summary(request: Request) -> Response:
    """Sum up one run."""
    library = site_of(request).library
    trace = library.trace(request.path_params["trace"], caller_of(request))
    summary = summarize(trace, library.delegations())
    return json_answer(library.standing(), {"summary": summary.model_dump(mode="json")})


def show_timeline(request: Request) -> Response:
    """Tell one run event by event."""
    library = site_of(request).library
    trace = library.trace(request.path_params["trace"], caller_of(request))
    told = [entry.model_dump(mode="json") for entry in timeline(trace)]
    return json_answer(library.standing(), {"trace": trace.id, "timeline": told})
