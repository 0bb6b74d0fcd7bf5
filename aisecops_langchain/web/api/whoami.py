"""Who asks, and what they may do.

Invariant: nothing is told of anybody else, and no token.
"""

from __future__ import annotations

from starlette.requests import Request

from aisecops_langchain.web.access import Role
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.site import caller_of, site_of


class WhoTold(Told):
    """The caller."""

    person: str
    """Empty where the token stands for nobody."""
    verified: bool
    role: Role
    tenants: tuple[str, ...] | None
    """The organisations whose runs the caller may see; all, if null."""
    roles: tuple[str, ...]
    approvals: bool
    """Whether approvals are served here."""


def show_caller(request: Request) -> WhoTold:
    """Tell who asks."""
    caller, site = caller_of(request), site_of(request)
    return WhoTold(
        log=site.library.standing(),
        person=caller.person,
        verified=caller.verified,
        role=caller.role,
        tenants=None if caller.tenants is None else tuple(sorted(caller.tenants)),
        roles=caller.roles,
        approvals=site.desk is not None,
    )
