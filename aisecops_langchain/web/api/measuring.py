"""The measures of governance, and how the log verifies.

Invariant: measures are over the runs that the caller may see; how the whole log verifies is told to callers who may see
all organisations, because segments and counts are of all of them.
"""

from __future__ import annotations

from starlette.requests import Request

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.forensics.measures import Measures, measure
from aisecops_langchain.web.answers import Told
from aisecops_langchain.web.filters import wanted_of
from aisecops_langchain.web.refusals import ForbiddenError
from aisecops_langchain.web.site import caller_of, site_of


class MeasuresTold(Told):
    """The measures of governance."""

    measures: Measures


class VerifyTold(Told):
    """The last verification of the log."""

    report: VerifyReport | None
    """None while the first one goes on."""


def show_measures(request: Request) -> MeasuresTold:
    """Add up runs."""
    return MeasuresTold(log=site_of(request).library.standing(), measures=measures_of(request))


def measures_of(request: Request) -> Measures:
    """Add up the runs that a request's filter wants."""
    site = site_of(request)
    return measure(site.library.figures(caller_of(request), wanted_of(request.query_params)), site.by_digest)


def show_verification(request: Request) -> VerifyTold:
    """Tell how the log verified last."""
    if caller_of(request).tenants is not None:
        raise ForbiddenError("the whole log is not yours to see", expected="a token for all organisations")
    library = site_of(request).library
    return VerifyTold(log=library.standing(), report=library.report())
