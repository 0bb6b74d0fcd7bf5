"""What the address of a page says, beyond what the API takes: a day without a time, and the event that is open.

Invariant: whatever else stands in the address is left to the API's own checks.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request

DRAWER: Final = ("event", "of")
"""Names the event that is open beside the page, and its run; only the script reads it."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMES: Final = ("since", "until", "before", "after")


def parameters_of(request: Request) -> QueryParams:
    """Read the parameters of a page.

    Args:
        request: The request.

    Returns:
        The parameters that say something, a day as its beginning in UTC.
    """
    items = [item for item in request.query_params.multi_items() if item[1] and item[0] not in DRAWER]
    return QueryParams([(name, _moment(value) if name in _TIMES else value) for name, value in items])


def _moment(value: str) -> str:
    return f"{value}T00:00:00Z" if _DAY.fullmatch(value) else value
