"""The log itself: whether it verifies, what was found in it, and its segments."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.web.templating import page


def log_page(request: Request) -> Response:
    """Show what is known of the log."""
    return page(request, "log.html", {})
