"""The pages: each renders one template over the objects that the API gives.

Invariant: a page shows nothing that the API would not give the same caller. What is shown, and how, stands in the
address, and ids of the log stand there only as parameters, so that no id can be taken for a path.
"""

from __future__ import annotations

from typing import Final

from starlette.routing import Route

from aisecops_langchain.web.pages.blast import blast_page
from aisecops_langchain.web.pages.compare import compare_page
from aisecops_langchain.web.pages.log import log_page
from aisecops_langchain.web.pages.run import run_page
from aisecops_langchain.web.pages.runs import runs_page

PAGES: Final = (
    Route("/", runs_page),
    Route("/run", run_page),
    Route("/compare", compare_page),
    Route("/blast-radius", blast_page),
    Route("/log", log_page),
)
"""All pages by their path."""
