"""What the application is made of, in one place, and how a request finds it.

Invariant: everything that a route needs comes from here or from the request; there is no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from aisecops_langchain.policy import Policy
from aisecops_langchain.web.access import Access, Caller, Session
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.longwork import LongWork


@dataclass(frozen=True, slots=True)
class Site:
    """One log, and who may see it."""

    library: Library
    access: Access
    cookie: str
    """Name of the cookie that holds a session; it names the port, because browsers share cookies between ports."""
    secure: bool = False
    """Whether the site is reached by TLS alone."""
    desk: Desk | None = None
    """Where approvals are answered; None where only a log is served."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Bundles at hand, by name."""
    work: LongWork = field(default_factory=LongWork)

    @property
    def by_digest(self) -> dict[str, Policy]:
        """The bundles at hand, by digest."""
        return {policy.digest: policy for policy in self.policies.values()}

    def close(self) -> None:
        """Give everything back."""
        self.work.close()
        self.library.close()
        if self.desk is not None:
            self.desk.close()


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
