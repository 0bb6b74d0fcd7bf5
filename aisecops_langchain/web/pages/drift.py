"""Drift: one window of time against another, and history decided again under a bundle at hand.

Invariant: what takes long is worked out beside the page, which says so and looks again by itself.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.web.api.drift import show_drift, show_over_time
from aisecops_langchain.web.filters import single
from aisecops_langchain.web.pages.given import parameters_of
from aisecops_langchain.web.site import site_of
from aisecops_langchain.web.templating import page


def drift_page(request: Request) -> Response:
    """Compare windows, decide again, or ask which."""
    given = parameters_of(request)
    asked = Request({**request.scope, "query_string": str(given).encode()})
    before, after, policy = (single(given, name) for name in ("before", "after", "policy"))
    over_time = show_over_time(asked) if before or after else None
    decided = show_drift(asked) if policy else None
    return page(
        request,
        "drift.html",
        {
            "before": single(request.query_params, "before"),
            "after": single(request.query_params, "after"),
            "policy": policy,
            "policies": ["", *sorted(site_of(request).policies)],
            "drift": over_time.drift if over_time else None,
            "redecided": decided.drift if decided else None,
            "working": bool((over_time and over_time.working) or (decided and decided.working)),
        },
    )
