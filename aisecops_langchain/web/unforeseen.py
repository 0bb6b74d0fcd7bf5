"""What nobody foresaw, told without anything of the inside, and under the same headers as every other answer.

Invariant: an error that leaves the application becomes a plain answer, as long as none was begun; only its type is
written to the server's own log, because its message may hold what the log of somebody else's agent holds.
"""

from __future__ import annotations

import logging
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisecops_langchain.web.answers import problem_answer
from aisecops_langchain.web.refusals import RefusalError

_LOGGER: Final = logging.getLogger(__name__)


class Unforeseen:
    """Answers where the application could not.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            _LOGGER.error("a request failed: %s", type(error).__name__)  # noqa: TRY400 - a traceback shows content
            refusal = RefusalError("something unforeseen happened", remedy="see what the server prints")
            await problem_answer(refusal)(scope, receive, send)
