"""The summary: what one run did, was kept from doing and does not account for, as plain data.

Invariant: a summary is a function of the set of recorded events. It counts what the log holds; an effect without a
recorded end is ``unknown``, a run without a recorded end is ``paused`` or ``unfinished``, never assumed to be well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import AwareDatetime

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import (
    DecisionMade,
    PlanRejected,
)
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.forensics.approvals import ApprovalSummary, approvals_of
from aisecops_langchain.forensics.content import FindingCount, SourceCount, findings_of, sources_of
from aisecops_langchain.forensics.delegation import Delegation
from aisecops_langchain.forensics.effects import EffectRecord, effects_of
from aisecops_langchain.forensics.grants import GrantSeen, grants_of
from aisecops_langchain.forensics.latency import StageLatency, latency_of
from aisecops_langchain.forensics.outcome import Outcome, outcome_of
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.forensics.violations import problems_of


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
    delegation: Delegation | None
    """By whom and in which run the agent was sent, where it acted for another one."""
    delegated: tuple[Delegation, ...]
    """The runs that it sent other agents on."""
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


def summarize(trace: Trace, delegations: Sequence[Delegation] = ()) -> Summary:
    """Summarise one run.

    Args:
        trace: The trace.
        delegations: All that is known of delegation between runs (``delegations_of``); what does not concern this run
            is left out.

    Returns:
        The summary.
    """
    times = [event.time for event in trace.events]
    outcome, end = outcome_of(trace)
    effects = Counter(event.decision.effect for event in trace.events if isinstance(event, DecisionMade))
    return Summary(
        trace=trace.id,
        thread=trace.thread,
        principal=trace.principal,
        **delegated(trace.id, delegations),
        policies=tuple(sorted({event.policy for event in trace.events})),
        started=min(times),
        finished=end.time if end else None,
        duration_ms=round((max(times) - min(times)).total_seconds() * 1000, 3),
        outcome=outcome,
        reason=end.reason if end else "",
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


def delegated(trace: str, delegations: Sequence[Delegation]) -> dict[str, Any]:
    """Tell what a summary says of who acted for whom.

    Args:
        trace: The run.
        delegations: All that is known of delegation.

    Returns:
        The members of the summary that say it.
    """
    return {
        "delegation": next((item for item in delegations if item.child == trace), None),
        "delegated": tuple(item for item in delegations if item.parent == trace),
    }


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
