"""What the roster keeps of one run, as plain data.

Invariant: both are functions of the set of recorded events of the run, whatever their order and repetition; where the
log holds different events under one id, the first met counts.
"""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.forensics.outcome import Outcome


class RunRow(Frozen):
    """One run at a glance."""

    trace: str
    thread: str
    """Thread of the first event that is not a span, as are agent, user and tenant."""
    agent: str
    user: str
    tenant: str
    outcome: Outcome
    """The latest recorded end; without one ``paused`` where somebody is still asked, else ``unfinished``."""
    started: AwareDatetime
    """Time of the first event."""
    duration_ms: float
    """Milliseconds from the first to the last event."""
    allowed: int
    asked: int
    denied: int
    executed: int
    """How many calls were started."""
    events: int
    waiting: int = 0
    """Approvals that the run waits for."""
    tools: tuple[str, ...] = ()
    """Tools that calls were decided for, sorted."""
    trust: tuple[str, ...] = ()
    """Integrity of the content and contexts in the run, sorted."""
    findings: dict[str, int] = Field(default_factory=dict)
    """Findings in inspected content, by category."""


class CallFigure(Frozen):
    """Decisions of one run that are alike."""

    policy: str
    """Digest of the bundle that decided."""
    tool: str
    effects: tuple[str, ...]
    """What the tool's own code declared that it does; empty where the bundle may say."""
    effect: str
    """``allow``, ``deny`` or ``require_approval``."""
    count: int


class AnswerFigure(Frozen):
    """One person's answer to an approval request."""

    approver: str
    verified: bool
    yes: bool
    seconds: float | None
    """From the request to the answer, where that can be told."""


class RunFigures(Frozen):
    """What the measures of many runs are made of."""

    calls: tuple[CallFigure, ...]
    answers: tuple[AnswerFigure, ...]
    expired: int
    """Requests that nobody answered in time."""
    witnessed: int
    """Tools that the host was seen to run under a policy, those inside another tool left out."""
    outside: int
    """Of those, how many more than executions were recorded."""
    found: bool
    """Whether anything was found in untrusted content."""
    contained_s: float | None
    """Seconds from the first such finding to the first thing after it that was withheld, denied, refused or stopped."""
