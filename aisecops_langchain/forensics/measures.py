"""The measures of governance over many runs: what was kept from happening, and whether people and hosts play along.

Invariant: every figure is a sum over what the log records of single runs; what cannot be told from it is counted as
such, never as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from pydantic import Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.effects import ToolEffect
from aisecops_langchain.forensics.approvals import ApproverFigures
from aisecops_langchain.forensics.roster import RunFigures, RunRow
from aisecops_langchain.forensics.roster.row import AnswerFigure, CallFigure
from aisecops_langchain.policy import Policy

FAST_SECONDS: Final = 5.0
"""Who says yes sooner than that has hardly read what was asked."""

NOT_INJECTED: Final = frozenset({"secret", "personal", "structure"})
"""Categories of findings that are about privacy, or about what could not be inspected."""

_MOST_TOOLS: Final = 20


class Egress(Frozen):
    """Calls that would have sent something out."""

    attempts: int
    allowed: int
    asked: int
    denied: int
    untold: int
    """Decisions on tools of which neither a bundle at hand nor the tool itself says what it does."""


class ApprovalFatigue(Frozen):
    """How people answer."""

    answers: int
    approved: int
    expired: int
    """Requests that nobody answered in time."""
    median_seconds: float | None
    fast: int
    """Yeses within ``FAST_SECONDS`` of the question."""
    approvers: tuple[ApproverFigures, ...]
    """By number of answers, the busiest first."""


class GovernedShare(Frozen):
    """Coverage: what of the tools that hosts ran, ran through governance."""

    witnessed: int
    """Tools that a host was seen to run while a policy was in force."""
    outside: int
    """Of those, how many without a recorded execution."""
    share: float | None
    """The governed part; None where no host was watched."""


class Containment(Frozen):
    """Runs in which something was found in untrusted content, and what was done about it."""

    runs: int
    contained: int
    """Runs in which something was withheld, denied, refused or stopped afterwards."""
    open: int
    """Runs in which nothing was; the finding may have led to nothing."""
    median_seconds: float | None
    """From the first finding to that, over the contained runs."""
    longest_seconds: float | None


class Measures(Frozen):
    """The measures of governance."""

    runs: int
    events: int
    outcomes: dict[str, int]
    decisions: dict[str, int]
    """Number of decisions by effect."""
    executed: int
    denied_tools: dict[str, int]
    """Denials by tool, the commonest first."""
    egress: Egress
    approvals: ApprovalFatigue
    findings: dict[str, int]
    """Findings by category, the commonest first."""
    injections: int
    """Findings of what reads like instructions: all but those in ``NOT_INJECTED``."""
    coverage: GovernedShare
    containment: Containment
    notes: tuple[str, ...] = Field(default=())


@dataclass(slots=True)
class _Sums:
    runs: int = 0
    events: int = 0
    executed: int = 0
    expired: int = 0
    witnessed: int = 0
    outside: int = 0
    found: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    egress: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    contained: list[float] = field(default_factory=list)
    answers: list[AnswerFigure] = field(default_factory=list)


def measure(runs: Iterable[tuple[RunRow, RunFigures]], policies: Mapping[str, Policy]) -> Measures:
    """Add up runs.

    Args:
        runs: Their rows and figures.
        policies: Bundles at hand by digest, which say what tools do.

    Returns:
        The measures.
    """
    sums = _Sums()
    for row, figures in runs:
        _add(sums, row, figures, policies)
    return Measures(
        runs=sums.runs,
        events=sums.events,
        outcomes=dict(sums.outcomes.most_common()),
        decisions={effect.value: sums.decisions[effect.value] for effect in Effect},
        executed=sums.executed,
        denied_tools=dict(sums.denied.most_common(_MOST_TOOLS)),
        egress=Egress(
            attempts=sums.egress.total() - sums.egress["untold"],
            allowed=sums.egress[Effect.ALLOW.value],
            asked=sums.egress[Effect.REQUIRE_APPROVAL.value],
            denied=sums.egress[Effect.DENY.value],
            untold=sums.egress["untold"],
        ),
        approvals=_fatigue(sums),
        findings=dict(sums.findings.most_common()),
        injections=sum(count for category, count in sums.findings.items() if category not in NOT_INJECTED),
        coverage=GovernedShare(
            witnessed=sums.witnessed,
            outside=sums.outside,
            share=round(1 - sums.outside / sums.witnessed, 4) if sums.witnessed else None,
        ),
        containment=Containment(
            runs=sums.found,
            contained=len(sums.contained),
            open=sums.found - len(sums.contained),
            median_seconds=_median(sums.contained),
            longest_seconds=max(sums.contained, default=None),
        ),
        notes=_notes(sums),
    )


def _add(sums: _Sums, row: RunRow, figures: RunFigures, policies: Mapping[str, Policy]) -> None:
    sums.runs += 1
    sums.events += row.events
    sums.executed += row.executed
    sums.outcomes[row.outcome.value] += 1
    sums.findings.update(row.findings)
    sums.expired += figures.expired
    sums.witnessed += figures.witnessed
    sums.outside += figures.outside
    sums.answers += figures.answers
    sums.found += figures.found
    if figures.contained_s is not None:
        sums.contained.append(figures.contained_s)
    for call in figures.calls:
        sums.decisions[call.effect] += call.count
        if call.effect == Effect.DENY:
            sums.denied[call.tool] += call.count
        sends = _sends(call, policies)
        if sends is not False:
            sums.egress["untold" if sends is None else call.effect] += call.count


def _sends(call: CallFigure, policies: Mapping[str, Policy]) -> bool | None:
    """Whether a tool sends anything out; None where nobody at hand says what it does."""
    policy = policies.get(call.policy)
    declared = policy.profiles.get(call.tool) if policy is not None else None
    if declared is not None:
        return ToolEffect.SEND in declared.effects
    return ToolEffect.SEND in call.effects if call.effects else None


def _fatigue(sums: _Sums) -> ApprovalFatigue:
    persons: dict[tuple[str, bool], list[AnswerFigure]] = {}
    for answer in sums.answers:
        persons.setdefault((answer.approver, answer.verified), []).append(answer)
    told = [
        ApproverFigures(
            approver=name,
            verified=verified,
            answered=len(theirs),
            approved=sum(answer.yes for answer in theirs),
            median_seconds=_median(answer.seconds for answer in theirs),
        )
        for (name, verified), theirs in persons.items()
    ]
    return ApprovalFatigue(
        answers=len(sums.answers),
        approved=sum(answer.yes for answer in sums.answers),
        expired=sums.expired,
        median_seconds=_median(answer.seconds for answer in sums.answers),
        fast=sum(
            answer.yes and answer.seconds is not None and answer.seconds < FAST_SECONDS for answer in sums.answers
        ),
        approvers=tuple(sorted(told, key=lambda item: (-item.answered, item.approver, item.verified))),
    )


def _median(seconds: Iterable[float | None]) -> float | None:
    known = [item for item in seconds if item is not None]
    return round(median(known), 3) if known else None


def _notes(sums: _Sums) -> tuple[str, ...]:
    notes: list[str] = []
    if sums.egress["untold"]:
        notes.append(
            f"what a tool does is unknown for {sums.egress['untold']} decisions; pass the bundles to count them"
        )
    if not sums.witnessed:
        notes.append("no host was watched while a policy was in force, so coverage cannot be told")
    return tuple(notes)
