"""The dashboard: the measures of governance over the runs that a filter wants."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.measures import measure
from aisecops_langchain.web.filters import wanted_of
from aisecops_langchain.web.pages.given import parameters_of
from aisecops_langchain.web.pages.runs import filters_of
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page


def measures_page(request: Request) -> Response:
    """Show the measures."""
    site = site_of(request)
    runs = site.library.figures(caller_of(request), wanted_of(parameters_of(request)))
    return page(request, "measures.html", {"measures": measure(runs, site.by_digest), **filters_of(request)})
