"""The application: routes in one table, behind the gate and under the headers.

Invariant: there is no way to a route around the gate, and none around the headers.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.web import entrance
from aisecops_langchain.web.answers import problem_answer
from aisecops_langchain.web.api import traces
from aisecops_langchain.web.gate import ENTRANCE, Gate
from aisecops_langchain.web.headers import SafeHeaders
from aisecops_langchain.web.pages import PAGES
from aisecops_langchain.web.refusals import NotFoundError, RefusalError
from aisecops_langchain.web.site import Site

STATIC: Final = Path(__file__).parent / "static"

_API: Final = (
    Route("/api/traces", traces.list_traces),
    Route("/api/traces/{trace}/summary", traces.show_summary),
    Route("/api/traces/{trace}/timeline", traces.show_timeline),
)


def make_app(site: Site, *, hosts: Collection[str]) -> Starlette:
    """Make the application.

    Args:
        site: What it serves, and to whom.
        hosts: Values of the ``Host`` header that it goes by, in lower case.

    Returns:
        The application.
    """
    app = Starlette(
        routes=[*_API, *PAGES, Route(ENTRANCE, entrance.enter), Mount("/static", StaticFiles(directory=STATIC))],
        middleware=[Middleware(SafeHeaders, secure=site.secure), Middleware(Gate, site=site, hosts=hosts)],
        exception_handlers={AisecopsError: _told, HTTPException: _http, Exception: _unforeseen},
    )
    app.state.site = site
    return app


def _told(_: Request, error: Exception) -> Response:
    return problem_answer(error if isinstance(error, AisecopsError) else RefusalError("unforeseen"))


def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return problem_answer(NotFoundError("there is nothing here") if status == 404 else _Plain(status))


def _unforeseen(_: Request, error: Exception) -> Response:  # noqa: ARG001 - the signature is Starlette's
    return problem_answer(RefusalError("something unforeseen happened", remedy="see the server's own log"))


class _Plain(RefusalError):
    """What Starlette itself refuses."""

    def __init__(self, status: int) -> None:
        super().__init__("the request is not answered")
        self.status = status  # type: ignore[misc]
