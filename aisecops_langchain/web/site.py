"""What the application is made of, in one place, and how a request finds it.

Invariant: everything that a route needs comes from here or from the request; there is no global state.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from aisecops_langchain.web.access import Access, Caller, Session
from aisecops_langchain.web.library import Library


@dataclass(frozen=True, slots=True)
class Site:
    """One log, and who may see it."""

    library: Library
    access: Access
    cookie: str
    """Name of the cookie that holds a session; it names the port, because browsers share cookies between ports."""
    secure: bool
    """Whether the site is reached by TLS alone."""


def site_of(request: Request) -> Site:
    """Return the site that a request came to.

    Args:
        request: The request.
    """
    site: Site = request.app.state.site
    return site


def caller_of(request: Request) -> Caller:
    """Return who asks; the gate in front of all routes has made sure that somebody does.

    Args:
        request: The request.
    """
    caller: Caller = request.scope["aisecops.caller"]
    return caller


def session_of(request: Request) -> Session | None:
    """Return the session of a browser; None for a program that sends its token with every request.

    Args:
        request: The request.
    """
    session: Session | None = request.scope.get("aisecops.session")
    return session
