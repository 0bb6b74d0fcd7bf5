"""Pages of long lists.

Invariant: no answer holds more than ``MOST`` items, whatever is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypedDict, TypeVar

from starlette.datastructures import QueryParams

from aisecops_langchain.web.refusals import BadRequestError

T = TypeVar("T")

USUAL: Final = 50
MOST: Final = 500
PAGING: Final = ("offset", "limit")
"""The parameters that say which part is asked for."""
_FARTHEST: Final = 10**9
_NUMBER: Final = re.compile(r"[0-9]{1,10}")


class Paging(TypedDict):
    """Which part of a list is asked for."""

    offset: int
    limit: int


def paging_of(parameters: QueryParams, *, usual: int = USUAL, most: int = MOST) -> Paging:
    """Read ``offset`` and ``limit``.

    Args:
        parameters: The parameters of the request.
        usual: The limit where none is given.
        most: The highest limit.

    Returns:
        What is asked for.

    Raises:
        BadRequestError: If one is no number, or beyond what is given.
    """
    return Paging(
        offset=number_of(parameters, "offset", usual=0, least=0, most=_FARTHEST),
        limit=number_of(parameters, "limit", usual=usual, least=1, most=most),
    )


def part_of(items: Sequence[T], part: Paging) -> Sequence[T]:
    """Take the part of a list that is asked for.

    Args:
        items: The list.
        part: Which part.

    Returns:
        The part; empty beyond the end.
    """
    return items[part["offset"] : part["offset"] + part["limit"]]


def number_of(parameters: QueryParams, name: str, *, usual: int, least: int, most: int) -> int:
    """Read a whole number.

    Args:
        parameters: The parameters of the request.
        name: The parameter's name.
        usual: The number where none is given.
        least: The lowest that is taken.
        most: The highest.

    Returns:
        The number.

    Raises:
        BadRequestError: If it is none, or beyond what is taken.
    """
    text = parameters.get(name)
    if not text:
        return usual
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise BadRequestError(
            f"parameter {name} makes no sense", expected=f"a whole number from {least} to {most}", got=text[:20]
        )
    return int(text)
