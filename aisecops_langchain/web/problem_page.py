"""What goes wrong, as a page.

Invariant: it says what problem details say, and to nobody but who is let in.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.web.answers import problem_answer
from aisecops_langchain.web.refusals import problem_of
from aisecops_langchain.web.templating import page


def problem_page(request: Request, error: AisecopsError) -> Response:
    """Tell an error.

    Args:
        request: The request that it answers.
        error: The error.

    Returns:
        A page; problem details for who is not let in.
    """
    if "aisecops.caller" not in request.scope:
        return problem_answer(error)
    status, members = problem_of(error)
    return page(request, "problem.html", {"problem": members}, status=status)
