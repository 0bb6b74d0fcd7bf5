"""The list of runs.

Invariant: the filters that are in force stand in the form and in the address of every further page of the list.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.web.filters import PARAMETERS, Wanted, wanted_of
from aisecops_langchain.web.pages.given import parameters_of
from aisecops_langchain.web.paging import PAGING, paging_of
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page

_SUGGESTED: Final = ("agent", "tenant", "tool", "finding")


def runs_page(request: Request) -> Response:
    """Show the list of runs."""
    library, caller, given = site_of(request).library, caller_of(request), parameters_of(request)
    found = library.runs(caller, wanted_of(given, others=PAGING), **paging_of(given))
    facets = library.facets(caller, Wanted())
    return page(
        request,
        "runs.html",
        {
            "runs": found,
            **filters_of(request),
            "suggested": {name: list(facets.get(name, {})) for name in _SUGGESTED},
        },
    )


def filters_of(request: Request) -> dict[str, object]:
    """Tell the filter of a request as its form shows it.

    Args:
        request: The request.

    Returns:
        ``filters``, the value of every field; ``kept``, the parameters that further pages keep; ``filtered``.
    """
    given = {name: request.query_params.get(name, "") for name in PARAMETERS}
    kept = {name: value for name, value in given.items() if value}
    return {"filters": given, "kept": kept, "filtered": bool(kept)}
