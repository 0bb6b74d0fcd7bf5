"""The pages: each renders one template over the objects that the API gives.

Invariant: a page shows nothing that the API would not give the same caller. What is shown, and how, stands in the
address, and ids of the log stand there only as parameters, so that no id can be taken for a path.
"""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from aisecops_langchain.web.pages.approvals import answer_page, approval_page, approvals_page
from aisecops_langchain.web.pages.blast import blast_page
from aisecops_langchain.web.pages.compare import compare_page
from aisecops_langchain.web.pages.drift import drift_page
from aisecops_langchain.web.pages.event import event_page
from aisecops_langchain.web.pages.log import log_page
from aisecops_langchain.web.pages.measures import measures_page
from aisecops_langchain.web.pages.run import run_page
from aisecops_langchain.web.pages.runs import runs_page

PAGES: Final = (
    Route("/", runs_page, methods=["GET"]),
    Route("/run", run_page, methods=["GET"]),
    Route("/event", event_page, methods=["GET"]),
    Route("/compare", compare_page, methods=["GET"]),
    Route("/drift", drift_page, methods=["GET"]),
    Route("/blast-radius", blast_page, methods=["GET"]),
    Route("/measures", measures_page, methods=["GET"]),
    Route("/log", log_page, methods=["GET"]),
    Route("/approvals", approvals_page, methods=["GET"]),
    Route("/approvals/{key}", approval_page, methods=["GET"]),
    Route("/approvals/{key}", answer_page, methods=["POST"]),
)
"""All pages by their path."""
