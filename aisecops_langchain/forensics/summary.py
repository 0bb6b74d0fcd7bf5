"""The summary: what one run did, was kept from doing and does not account for, as plain data.

Invariant: a summary is a function of the set of recorded events. It counts what the log holds; an effect without a
recorded end is ``unknown``, a run without a recorded end is ``paused`` or ``unfinished``, never assumed to be well.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from pydantic import AwareDatetime

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalResponded,
    DecisionMade,
    PlanRejected,
    RunFinished,
    RunPaused,
    RunResumed,
)
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.forensics.approvals import ApprovalSummary, approvals_of
from aisecops_langchain.forensics.content import FindingCount, SourceCount, findings_of, sources_of
from aisecops_langchain.forensics.effects import EffectRecord, effects_of
from aisecops_langchain.forensics.grants import GrantSeen, grants_of
from aisecops_langchain.forensics.latency import StageLatency, latency_of
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.forensics.violations import problems_of


class Outcome(StrEnum):
    """How a run ended, or that it has not."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    BLOCKED = "blocked"
    PAUSED = "paused"
    UNFINISHED = "unfinished"


class DeniedCall(Frozen):
    """A call that was refused, and the first reason for it."""

    plan: str
    call_id: str
    tool: str
    stage: str
    """The gate that refused it: ``plan``, ``capability``, ``arguments`` or ``rules``."""
    code: str
    reason: str


class Summary(Frozen):
    """One run at a glance."""

    trace: str
    thread: str
    principal: Principal
    policies: tuple[str, ...]
    """Digests of the policy bundles in force, sorted."""
    started: AwareDatetime
    """Time of the first event."""
    finished: AwareDatetime | None
    """Time of the recorded end of the run."""
    duration_ms: float
    """Milliseconds from the first to the last event."""
    outcome: Outcome
    reason: str
    """Why the run ended so, where that is recorded."""
    events: dict[str, int]
    """Number of events by kind."""
    sources: tuple[SourceCount, ...]
    decisions: dict[str, int]
    """Number of decisions by effect."""
    denied: tuple[DeniedCall, ...]
    approvals: ApprovalSummary
    grants: tuple[GrantSeen, ...]
    effects: tuple[EffectRecord, ...]
    findings: tuple[FindingCount, ...]
    latency: tuple[StageLatency, ...]
    problems: tuple[Problem, ...]


def summarize(trace: Trace) -> Summary:
    """Summarise one run.

    Args:
        trace: The trace.

    Returns:
        The summary.
    """
    times = [event.time for event in trace.events]
    ends = [event for event in trace.events if isinstance(event, RunFinished)]
    effects = Counter(event.decision.effect for event in trace.events if isinstance(event, DecisionMade))
    return Summary(
        trace=trace.id,
        thread=trace.thread,
        principal=trace.principal,
        policies=tuple(sorted({event.policy for event in trace.events})),
        started=min(times),
        finished=ends[-1].time if ends else None,
        duration_ms=round((max(times) - min(times)).total_seconds() * 1000, 3),
        outcome=Outcome(ends[-1].outcome) if ends else _open_outcome(trace),
        reason=ends[-1].reason if ends else "",
        events=dict(sorted(Counter(event.kind for event in trace.events).items())),
        sources=sources_of(trace),
        decisions={effect.value: effects[effect] for effect in Effect},
        denied=_denied(trace),
        approvals=approvals_of(trace),
        grants=grants_of(trace),
        effects=effects_of(trace),
        findings=findings_of(trace),
        latency=latency_of(trace),
        problems=problems_of(trace),
    )


def _open_outcome(trace: Trace) -> Outcome:
    """Tell a run that waits for a person from one that just stops in the log."""
    waiting = {event.waiting_for for event in trace.events if isinstance(event, RunPaused)}
    for event in trace.events:
        match event:
            case RunResumed():
                waiting.discard(event.answered)
            case ApprovalGranted() | ApprovalRejected() | ApprovalResponded() | ApprovalExpired():
                waiting.discard(event.approval)
            case _:
                pass
    return Outcome.PAUSED if waiting else Outcome.UNFINISHED


def _denied(trace: Trace) -> tuple[DeniedCall, ...]:
    """Collect malformed calls and denials in causal order."""
    denied: list[DeniedCall] = []
    for event in trace.events:
        if isinstance(event, PlanRejected):
            denied.extend(
                DeniedCall(
                    plan=event.plan,
                    call_id=item.call_id,
                    tool=item.tool,
                    stage="plan",
                    code=item.code,
                    reason=item.message,
                )
                for item in event.rejected
            )
        elif isinstance(event, DecisionMade) and event.decision.effect is Effect.DENY:
            first = event.decision.reasons[0] if event.decision.reasons else None
            denied.append(
                DeniedCall(
                    plan=event.plan,
                    call_id=event.call.call_id,
                    tool=event.call.tool,
                    stage=event.decision.stage,
                    code=first.code if first else "",
                    reason=first.message if first else "",
                )
            )
    return tuple(denied)
