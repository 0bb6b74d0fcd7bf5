"""One run in one row of the list.

Invariant: a row is a function of the set of recorded events.
"""

from __future__ import annotations

from pydantic import AwareDatetime

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.overview import row_of
from aisecops_langchain.forensics.trace import Trace


class RunRow(Frozen):
    """One run at a glance."""

    trace: str
    thread: str
    agent: str
    user: str
    tenant: str
    outcome: Outcome
    started: AwareDatetime
    duration_ms: float
    allowed: int
    asked: int
    denied: int
    executed: int
    events: int


def row_of_run(trace: Trace) -> RunRow:
    """Tell one run.

    Args:
        trace: The run.

    Returns:
        Its row.
    """
    row = row_of(trace)
    who = trace.principal
    return RunRow(thread=trace.thread, user=who.user, tenant=who.tenant, **row._asdict())
