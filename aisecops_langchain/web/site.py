"""What the application is made of, in one place, and how a request finds it.

Invariant: everything that a route needs comes from here or from the request; there is no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy import Policy
from aisecops_langchain.policy.kept import kept_policies
from aisecops_langchain.web.access import Access, Caller, Session
from aisecops_langchain.web.desk import Desk
from aisecops_langchain.web.library import Library
from aisecops_langchain.web.longwork import LongWork
from aisecops_langchain.web.refusals import RefusalError


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
    """Bundles that the operator named, by name."""
    kept: Path | None = None
    """Where the home keeps the bundles that were in force, if it does."""
    work: LongWork = field(default_factory=LongWork)

    def recorded(self) -> tuple[Policy, ...]:
        """Load every bundle at hand: those that the home keeps by now, and those that the operator named.

        Raises:
            RefusalError: If a bundle that the home keeps was changed, or cannot be read.
        """
        try:
            kept = kept_policies(self.kept) if self.kept is not None else ()
        except PolicyError:  # its message names a path of this machine
            raise RefusalError(
                "a bundle that the home keeps was changed, or cannot be read",
                expected="bundles under their own digests",
                remedy="run aisecops drift on the server's machine, which says which one",
            ) from None
        return (*kept, *self.policies.values())

    @property
    def by_digest(self) -> dict[str, Policy]:
        """What ``recorded`` returns, by digest."""
        return {policy.digest: policy for policy in self.recorded()}

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
