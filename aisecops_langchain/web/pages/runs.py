"""The list of runs.

Invariant: the filters that are in force stand in the form and in the address of every further page of the list.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.web.filters import wanted_of
from aisecops_langchain.web.paging import PAGING, paging_of
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page

_FILTERS = ("since", "until", "agent", "tenant", "decision", "tool", "trust", "finding", "text")


def runs_page(request: Request) -> Response:
    """Show the list of runs."""
    given = {name: request.query_params.get(name, "") for name in _FILTERS}
    kept = {name: value for name, value in given.items() if value}
    wanted = wanted_of(request.query_params, others=PAGING)
    found = site_of(request).library.runs(caller_of(request), wanted, **paging_of(request.query_params))
    return page(request, "runs.html", {"runs": found, "filters": given, "filtered": bool(kept), "kept": kept})
