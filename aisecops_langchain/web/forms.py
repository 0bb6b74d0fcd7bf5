"""Forms that pages send.

Invariant: a form is read only up to a limit, and a field that stands twice counts as not given.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from aisecops_langchain.web.endpoints import limited_body
from aisecops_langchain.web.refusals import BadRequestError

_MOST_FIELDS = 250
"""Enough for the arguments of a call, three for each."""


async def form_of(request: Request) -> dict[str, str]:
    """Read a form.

    Args:
        request: The request.

    Returns:
        Its fields.

    Raises:
        BadRequestError: If the body is no form.
        TooLargeError: If it is longer than is taken.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise BadRequestError("the body is of another type", expected="a form", got=media[:40] or "no type")
    try:
        found = parse_qs((await limited_body(request)).decode(), max_num_fields=_MOST_FIELDS, keep_blank_values=True)
    except ValueError:
        raise BadRequestError("the body makes no sense", expected="a form with few fields, in UTF-8") from None
    return {name: values[0] for name, values in found.items() if len(values) == 1}
