"""What an endpoint is: a path, who may ask, what it takes and what it answers, so that all of it can be described.

Invariant: an endpoint that changes anything is a POST, asks for the role of an approver and for proof that the request
was meant; one that reads runs outside of the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import orjson
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.web.answers import json_answer
from aisecops_langchain.web.csrf import check_meant, check_role
from aisecops_langchain.web.refusals import BadRequestError, TooLargeError

MOST_BODY: Final = 64 * 1024
"""Longest body that is taken, in bytes."""

B = TypeVar("B", bound=Frozen)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query."""

    name: str
    about: str
    schema: dict[str, Any]
    """JSON Schema of its value."""
    required: bool = False
    many: bool = False
    """Whether it may stand several times, meaning any of the values."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An endpoint that only reads."""

    path: str
    about: str
    """What it answers, in one sentence."""
    answer: type[Frozen]
    handler: Callable[[Request], Frozen]
    parameters: tuple[Parameter, ...] = ()

    def route(self) -> Route:
        """Return the route of it."""

        def answered(request: Request) -> Response:  # no coroutine, so that it runs in a thread
            return json_answer(self.handler(request))

        return Route(self.path, answered, methods=["GET"])


@dataclass(frozen=True, slots=True)
class Acting(Generic[B]):
    """An endpoint that changes something."""

    path: str
    about: str
    body: type[B]
    answer: type[Frozen]
    handler: Callable[[Request, B], Frozen]

    def route(self) -> Route:
        """Return the route of it."""
        return Route(self.path, self._answered(), methods=["POST"])

    def _answered(self) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            check_role(request)
            check_meant(request, given="")
            body = read_body(self.body, request, await limited_body(request))
            return json_answer(await run_in_threadpool(self.handler, request, body))

        return answered


Endpoint = Reading | Acting[Any]


async def limited_body(request: Request) -> bytes:
    """Read the body of a request.

    Args:
        request: The request.

    Returns:
        The body.

    Raises:
        TooLargeError: If it is longer than is taken.
    """
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BODY:
            raise TooLargeError("the body is too long", expected=f"at most {MOST_BODY} bytes")
    return data


def read_body(kind: type[B], request: Request, data: bytes) -> B:
    """Read a JSON body.

    Args:
        kind: What it is to be.
        request: The request that it came with.
        data: The body; empty means an object without members.

    Returns:
        The body.

    Raises:
        BadRequestError: If it is something else.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if data and media != "application/json":
        raise BadRequestError("the body is of another type", expected="application/json", got=media[:40] or "no type")
    try:
        return kind.model_validate(orjson.loads(data) if data else {}, strict=True)
    except (ValidationError, orjson.JSONDecodeError):
        expected = ", ".join(kind.model_fields) or "an empty object"
        raise BadRequestError("the body makes no sense", expected=f"a JSON object with {expected}") from None
