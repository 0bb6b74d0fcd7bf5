"""What the server refuses, as errors with a status, and how an error is told (RFC 9457, problem details).

Invariant: an answer that refuses says what was expected, what came and what to do, and nothing of the inside: an error
that is not of our own tree is told by its status alone.
"""

from __future__ import annotations

from typing import ClassVar

from aisecops_langchain.errors import AisecopsError


class RefusalError(AisecopsError):
    """A request that is not answered as asked.

    Attributes:
        status: The HTTP status of the answer.
        title: What this kind of refusal is called.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "The request could not be answered"


class BadRequestError(RefusalError):
    """A parameter or a body makes no sense."""

    status = 400
    title = "The request makes no sense"


class UnauthenticatedError(RefusalError):
    """Nobody said who asks, or with a token that is not known."""

    status = 401
    title = "Not signed in"


class ForbiddenError(RefusalError):
    """The caller is known and may not do this."""

    status = 403
    title = "Not allowed"


class NotFoundError(RefusalError):
    """There is no such thing, or none that this caller may see; the two are told alike."""

    status = 404
    title = "Not found"


class ConflictError(RefusalError):
    """The thing is not in a state in which this can be done."""

    status = 409
    title = "Not possible now"


class WrongMethodError(RefusalError):
    """There is something here, and it is not asked for like this."""

    status = 405
    title = "Not asked for like this"


class TooLargeError(RefusalError):
    """More was sent, or asked for, than is taken or given at once."""

    status = 413
    title = "Too large"


class BusyError(RefusalError):
    """The server has too much to do."""

    status = 503
    title = "Too much to do"


class MisdirectedError(RefusalError):
    """The request names a host that this server does not go by."""

    status = 421
    title = "Not this server"


def problem_of(error: AisecopsError) -> tuple[int, dict[str, object]]:
    """Tell an error as problem details.

    Args:
        error: The error.

    Returns:
        The HTTP status and the members of the answer.
    """
    status, title = (error.status, error.title) if isinstance(error, RefusalError) else (500, RefusalError.title)
    told = {"expected": error.expected, "got": error.got, "do": error.remedy}
    members = {name: text for name, text in told.items() if text is not None}
    return status, {"type": "about:blank", "title": title, "status": status, "detail": error.message, **members}
