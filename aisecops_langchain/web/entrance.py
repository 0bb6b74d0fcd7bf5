"""Signing in and out: a token is shown once and exchanged for a session.

Invariant: the token stands in no page, no cookie and, after the exchange, in no address; a session's cookie is unread
by scripts and never sent along by another site.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from aisecops_langchain.web.access import SESSION_SECONDS
from aisecops_langchain.web.csrf import check_meant
from aisecops_langchain.web.forms import form_of
from aisecops_langchain.web.site import session_of, site_of
from aisecops_langchain.web.templating import environment


def enter(request: Request) -> Response:
    """Exchange the token of the address that the server printed for a session; without one, ask for it.

    A page of another site may not sign anybody in: the person would go on under a name of that site's choice.
    """
    token = request.query_params.get("token", "")
    elsewhere = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return _entered(request, token) if token and not elsewhere else _asked(status=200, wrong=False)


async def leave(request: Request) -> Response:
    """End the session, if that was meant."""
    form = await form_of(request)
    check_meant(request, given=form.get("csrf", ""))
    site, session = site_of(request), session_of(request)
    if session is not None:
        site.access.leave(session)
    response = RedirectResponse("/enter", status_code=303)
    response.delete_cookie(site.cookie, path="/", secure=site.secure, httponly=True, samesite="strict")
    return response


def _entered(request: Request, token: str) -> Response:
    site = site_of(request)
    session = site.access.enter(token)
    if session is None:
        return _asked(status=401, wrong=True)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        site.cookie,
        session.id,
        max_age=SESSION_SECONDS,
        path="/",
        secure=site.secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _asked(*, status: int, wrong: bool) -> Response:
    return HTMLResponse(environment().get_template("enter.html").render(wrong=wrong), status_code=status)
