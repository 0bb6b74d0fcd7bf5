"""The log itself: whether it verifies, what was found in it, and its segments.

Invariant: segments are of all organisations, so only who may see all of those sees them.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.web.site import caller_of, site_of
from aisecops_langchain.web.templating import page


def log_page(request: Request) -> Response:
    """Show what is known of the log."""
    report = site_of(request).library.report() if caller_of(request).tenants is None else None
    return page(request, "log.html", {"segments": report.segments if report is not None else ()})
