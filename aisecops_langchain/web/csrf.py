"""Whether a request that changes something was meant by whoever sent it.

Invariant: a session alone changes nothing: the request must also repeat the session's own secret, which no other site
can read, and come from this site's own pages by its ``Origin``. A token in the header needs no secret, since no browser
adds it by itself; a foreign ``Origin`` is refused even then.
"""

from __future__ import annotations

import hmac
from typing import Final

from starlette.requests import Request

from aisecops_langchain.web.access import Role
from aisecops_langchain.web.refusals import ForbiddenError
from aisecops_langchain.web.site import caller_of, session_of, site_of

HEADER: Final = "x-csrf-token"


def check_meant(request: Request, *, given: str) -> None:
    """Make sure that a request may change something.

    Args:
        request: The request.
        given: The session's secret as a form repeated it; empty where the header does.

    Raises:
        ForbiddenError: If it was not made by a page of this site, or does not repeat the secret.
    """
    check_origin(request)
    session = session_of(request)
    if session is None:
        return
    repeated = request.headers.get(HEADER, "") or given
    if not hmac.compare_digest(repeated.encode(), session.csrf.encode()):
        raise ForbiddenError("the request does not prove that it was meant", expected=f"the header {HEADER}")


def check_role(request: Request) -> None:
    """Make sure that the caller may do more than read.

    Args:
        request: The request.

    Raises:
        ForbiddenError: If not.
    """
    if caller_of(request).role is not Role.APPROVER:
        raise ForbiddenError("this takes the role of an approver", expected="approver", got="viewer")


def check_origin(request: Request) -> None:
    """Make sure that a request was not made by a page of another site.

    Args:
        request: The request.

    Raises:
        ForbiddenError: If it was, or may have been: a browser names the origin of every POST.
    """
    origins = request.headers.getlist("origin")
    if not origins and session_of(request) is None:
        return
    scheme = "https" if site_of(request).secure else "http"
    if origins != [f"{scheme}://{request.headers['host'].lower()}"]:
        raise ForbiddenError("the request comes from another site", expected="the origin of this server")
