"""Answers: JSON made of the objects that the command line prints, and problem details.

Invariant: every JSON answer about the log carries the log's standing under ``log``; JSON is given as such, with a type
that no browser takes for markup.
"""

from __future__ import annotations

import orjson
from starlette.responses import Response

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.web.refusals import UnauthenticatedError, problem_of
from aisecops_langchain.web.standing import Standing


class Told(Frozen):
    """What every answer about the log says."""

    log: Standing


def json_answer(answer: Frozen, *, status: int = 200) -> Response:
    """Answer with JSON.

    Args:
        answer: The answer.
        status: The HTTP status.

    Returns:
        The same, as the browser gets it.
    """
    return Response(answer.model_dump_json(), status_code=status, media_type="application/json")


def problem_answer(error: AisecopsError) -> Response:
    """Answer with problem details (RFC 9457).

    Args:
        error: What went wrong.

    Returns:
        The answer.
    """
    status, members = problem_of(error)
    headers = {"www-authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else None
    return Response(orjson.dumps(members), status_code=status, media_type="application/problem+json", headers=headers)
