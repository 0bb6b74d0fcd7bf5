"""Two runs side by side.

Invariant: both runs must be ones that the caller may see.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.forensics.diff import compare_runs
from aisecops_langchain.web.filters import Wanted
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page

_CHOICES = 100


def compare_page(request: Request) -> Response:
    """Compare two runs, or ask which."""
    library, caller = site_of(request).library, caller_of(request)
    first, second = (request.query_params.get(name, "") for name in ("first", "second"))
    diff = (
        compare_runs(library.run(first, caller).trace, library.run(second, caller).trace) if first and second else None
    )
    choices = library.runs(caller, Wanted(), offset=0, limit=_CHOICES).runs
    return page(request, "compare.html", {"diff": diff, "first": first, "second": second, "choices": choices})
