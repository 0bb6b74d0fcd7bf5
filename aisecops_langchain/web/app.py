"""The application: routes in one table, behind the gate and under the headers.

Invariant: there is no way to a route around the gate, and none around the headers. What goes wrong is told as problem
details, or as a page to who asked for a page, and never with anything of the inside.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
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
from aisecops_langchain.web.api.openapi import describe
from aisecops_langchain.web.api.table import ENDPOINTS
from aisecops_langchain.web.gate import ENTRANCE, Gate
from aisecops_langchain.web.headers import SafeHeaders
from aisecops_langchain.web.live import Streams, live
from aisecops_langchain.web.pages import PAGES
from aisecops_langchain.web.problem_page import problem_page
from aisecops_langchain.web.refusals import BadRequestError, NotFoundError, RefusalError, WrongMethodError
from aisecops_langchain.web.site import Site
from aisecops_langchain.web.unforeseen import Unforeseen

STATIC: Final = Path(__file__).parent / "static"
_LOGGER: Final = logging.getLogger(__name__)


def make_app(site: Site, *, hosts: Collection[str]) -> Starlette:
    """Make the application.

    Args:
        site: What it serves, and to whom.
        hosts: Values of the ``Host`` header that it goes by, in lower case.

    Returns:
        The application.
    """
    streams = Streams()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        streams.closing = True

    app = Starlette(
        routes=[
            *(endpoint.route() for endpoint in ENDPOINTS),
            Route("/api/live", live),
            Route("/api/openapi.json", _description),
            *PAGES,
            Route(ENTRANCE, entrance.enter, methods=["GET"]),
            Route("/leave", entrance.leave, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(SafeHeaders, secure=site.secure),
            Middleware(Unforeseen),
            Middleware(Gate, site=site, hosts=hosts),
        ],
        exception_handlers={AisecopsError: _told, HTTPException: _http},
        lifespan=lifespan,
    )
    app.state.site = site
    app.state.streams = streams
    return app


@cache
def description() -> dict[str, Any]:
    """Return the description of the API."""
    return describe(ENDPOINTS)


def _description(_: Request) -> Response:
    return Response(orjson.dumps(description()), media_type="application/json")


def _told(request: Request, error: Exception) -> Response:
    told = error if isinstance(error, AisecopsError) else RefusalError("something unforeseen happened")
    if not isinstance(told, RefusalError):
        _LOGGER.warning("a request failed: %s", type(told).__name__)
    return problem_answer(told) if _is_api(request) else problem_page(request, told)


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kinds: dict[int, RefusalError] = {
        404: NotFoundError("there is nothing here"),
        405: WrongMethodError("this is asked for in another way"),
    }
    return _told(request, kinds.get(status, BadRequestError("the request makes no sense")))


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/static/"))
