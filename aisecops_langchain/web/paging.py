"""Pages of long lists.

Invariant: no answer holds more than ``MOST`` items, whatever is asked for.
"""

from __future__ import annotations

import re
from typing import Final, TypedDict

from starlette.datastructures import QueryParams

from aisecops_langchain.web.refusals import BadRequestError

USUAL: Final = 50
MOST: Final = 500
_FARTHEST: Final = 10**9
_NUMBER: Final = re.compile(r"[0-9]{1,10}")


class Paging(TypedDict):
    """Which part of a list is asked for."""

    offset: int
    limit: int


def paging_of(parameters: QueryParams, *, usual: int = USUAL) -> Paging:
    """Read ``offset`` and ``limit``.

    Args:
        parameters: The parameters of the request.
        usual: How many to give where nothing is said.

    Returns:
        What is asked for.

    Raises:
        BadRequestError: If one is no number, or beyond what is given.
    """
    return Paging(
        offset=_number(parameters, "offset", usual=0, least=0, most=_FARTHEST),
        limit=_number(parameters, "limit", usual=usual, least=1, most=MOST),
    )


def _number(parameters: QueryParams, name: str, *, usual: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return usual
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise BadRequestError(
            f"parameter {name} makes no sense", expected=f"a whole number from {least} to {most}", got=text[:20]
        )
    return int(text)
