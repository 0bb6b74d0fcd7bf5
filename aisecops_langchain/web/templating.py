"""Templates: the one way in which a page is made.

Invariant: whatever stands in the log is escaped, and characters that a reader would not see or that turn the direction
of reading are written out; a name that a template misspells is an error, not an empty place.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.forensics.text import visible
from aisecops_langchain.web.access import Role
from aisecops_langchain.web.rooms import ROOMS
from aisecops_langchain.web.site import caller_of, session_of, site_of
from aisecops_langchain.web.wording import FILTERS, link


@cache
def environment() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=PackageLoader("aisecops_langchain.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(link=link, rooms=ROOMS, report=False)
    return made


def page(request: Request, template: str, members: Mapping[str, object], *, status: int = 200) -> HTMLResponse:
    """Make a page.

    Every template also gets ``log`` (the log's standing), ``caller``, ``csrf``, ``here`` (the path), ``heard``
    (the number of the latest news when the request came) and ``waiting`` (how many requests wait for a person).

    Args:
        request: The request.
        template: Name of the template.
        members: What it shows.
        status: The HTTP status.

    Returns:
        The page.
    """
    session = session_of(request)
    common = {
        "log": site_of(request).library.standing(),
        "caller": caller_of(request),
        "csrf": session.csrf if session is not None else "",
        "here": request.url.path,
        "heard": request.scope["aisecops.heard"],
        "waiting": _waiting(request),
    }
    text = environment().get_template(template).render({**common, **members})
    return HTMLResponse(text, status_code=status)


def _waiting(request: Request) -> int:
    """Count what waits, for those who may answer; where that cannot be told, the page of approvals says why."""
    desk, caller = site_of(request).desk, caller_of(request)
    if desk is None or caller.role is not Role.APPROVER:
        return 0  # whoever only looks does not open the home, which would begin a segment in its log
    try:
        return len(desk.requests(caller, everything=False))
    except AisecopsError:
        return 0


def _shown(value: object) -> object:
    """Write out what cannot be seen; what a template made itself is left alone."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
