"""Answers: JSON as the command line prints it, problem details, and pages.

Invariant: every JSON answer about the log carries the log's standing under ``log``; JSON is given as such, with a type
that no browser takes for markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.web.refusals import UnauthenticatedError, problem_of
from aisecops_langchain.web.standing import Standing


def json_answer(standing: Standing, members: Mapping[str, object], *, status: int = 200) -> Response:
    """Answer with JSON.

    Args:
        standing: What is known of the log.
        members: The answer itself, in plain JSON types.
        status: The HTTP status.

    Returns:
        The answer.
    """
    body: dict[str, Any] = {"log": standing.model_dump(mode="json"), **members}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


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
