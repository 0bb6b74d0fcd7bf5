"""The gate in front of all routes: the right host, a known caller.

Invariant: no route but the open ones is reached without a known token or a living session, and none at all under a
host name that the server does not go by (a page elsewhere could else reach it by DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from aisecops_langchain.web.answers import problem_answer
from aisecops_langchain.web.refusals import MisdirectedError, RefusalError, UnauthenticatedError
from aisecops_langchain.web.site import Site

ENTRANCE: Final = "/enter"
_OPEN: Final = (ENTRANCE, "/static/")
_BEARER: Final = "bearer "


class Gate:
    """Lets requests through.

    Args:
        app: The application.
        site: What it serves.
        hosts: Values of the ``Host`` header that it goes by, in lower case.
    """

    def __init__(self, app: ASGIApp, *, site: Site, hosts: Collection[str]) -> None:
        self._app = app
        self._site = site
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            self._check_host(request)
            self._identify(request)
        except RefusalError as refusal:
            await _refused(request, refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_host(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise MisdirectedError("this server does not go by that name", remedy="use the address that it printed")

    def _identify(self, request: Request) -> None:
        request.scope["aisecops.heard"] = self._site.library.bulletin.last()
        header = request.headers.get("authorization", "")
        if header:
            token = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
            caller = self._site.access.caller_of(token)
            if caller is None:
                raise UnauthenticatedError("the token is not known", expected="Authorization: Bearer TOKEN")
            request.scope["aisecops.caller"] = caller
            return
        session = self._site.access.session(request.cookies.get(self._site.cookie, ""))
        if session is not None:
            request.scope["aisecops.session"] = session
            request.scope["aisecops.caller"] = session.caller
        elif not request.url.path.startswith(_OPEN):
            raise UnauthenticatedError("this needs a token", expected="Authorization: Bearer TOKEN, or a session")


def _refused(request: Request, refusal: RefusalError) -> Response:
    page = not request.url.path.startswith("/api/") and request.method == "GET"
    if page and isinstance(refusal, UnauthenticatedError):
        return RedirectResponse(ENTRANCE, status_code=303)
    return problem_answer(refusal)
