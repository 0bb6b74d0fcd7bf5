"""Two runs side by side.

Invariant: both runs must be ones that the caller may see.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.web.api.compare import compare_two
from aisecops_langchain.web.filters import Wanted, single
from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page

_CHOICES: Final = 100


def compare_page(request: Request) -> Response:
    """Compare two runs, or ask which."""
    first, second = (single(request.query_params, name) for name in ("first", "second"))
    diff = compare_two(request).diff if first and second else None
    choices = site_of(request).library.runs(caller_of(request), Wanted(), offset=0, limit=_CHOICES).runs
    return page(request, "compare.html", {"diff": diff, "first": first, "second": second, "choices": choices})
