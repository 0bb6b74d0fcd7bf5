"""Planned against decided against executed, call by call.

Invariant: a call is lawful only if what ran is what was permitted, what was permitted was decided on, and what was
decided on was planned, or put in its place by a person. Whatever departs from that is a violation with a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.forensics.diff.steps import Step, steps_of
from aisecops_langchain.forensics.effects import RecordedState
from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.forensics.violations import problems_of


class Verdict(StrEnum):
    """What one call comes to."""

    AS_PLANNED = "as_planned"
    """It ran as it was proposed, decided and permitted."""
    AS_EDITED = "as_edited"
    """It ran as a person had changed it."""
    REFUSED = "refused"
    """Policy or a person refused it, and it did not run."""
    KEPT = "kept_from_running"
    """Something wanted to run it without a valid permit, and it did not run."""
    NOT_RUN = "not_run"
    """It might have run, and did not: nobody answered yet, the run ended, or the permit was not used."""
    VIOLATION = "violation"
    """It did not go as it must; the departures say how."""


class Departure(StrEnum):
    """How a call may depart from what it must be."""

    EXECUTED_NOT_PERMITTED = "executed_but_not_permitted"
    EXECUTED_OTHER = "executed_other_than_permitted"
    PERMITTED_NOT_DECIDED = "permitted_but_not_decided"
    PERMITTED_OTHER = "permitted_other_than_decided"
    PERMITTED_DENIED = "permitted_though_denied"
    DECIDED_NOT_PLANNED = "decided_but_not_planned"
    DECIDED_OTHER = "decided_other_than_planned"


class WithinRun(Frozen):
    """One call, from proposal to effect."""

    step: Step
    verdict: Verdict
    departures: tuple[Departure, ...]
    """How it departs from what it must be; empty unless it is a violation."""
    problems: tuple[Problem, ...]
    """What the record fails to account for in this call."""


def compare_within(trace: Trace) -> tuple[WithinRun, ...]:
    """Compare what was planned, decided and executed in one run.

    Args:
        trace: The trace.

    Returns:
        One entry per call, in the order in which the log first tells of them.
    """
    problems: defaultdict[tuple[str | None, str | None], list[Problem]] = defaultdict(list)
    for item in problems_of(trace):
        problems[item.plan, item.call_id].append(item)
    return tuple(_compared(step, tuple(problems.get((step.plan, step.call_id), ()))) for step in steps_of(trace))


def _compared(step: Step, problems: tuple[Problem, ...]) -> WithinRun:
    departures = tuple(dict.fromkeys(_departures(step)))
    return WithinRun(step=step, verdict=_verdict(step, departures, problems), departures=departures, problems=problems)


def _departures(step: Step) -> Iterator[Departure]:
    proposed = {*step.planned, *step.edited}
    for decided in step.decided:
        if decided.call not in proposed:
            yield Departure.DECIDED_OTHER if proposed else Departure.DECIDED_NOT_PLANNED
    for permit in step.permitted:
        if permit.decision is None:
            other = step.decided and permit.call not in {decided.call for decided in step.decided}
            yield Departure.PERMITTED_OTHER if other else Departure.PERMITTED_NOT_DECIDED
        elif permit.decision is Effect.DENY:
            yield Departure.PERMITTED_DENIED
    permitted = {permit.call for permit in step.permitted}
    for call in step.executed:
        if call not in permitted:
            yield Departure.EXECUTED_OTHER if permitted else Departure.EXECUTED_NOT_PERMITTED


def _verdict(step: Step, departures: tuple[Departure, ...], problems: tuple[Problem, ...]) -> Verdict:
    if departures or problems:
        return Verdict.VIOLATION
    if step.executed:
        return Verdict.AS_EDITED if step.edited else Verdict.AS_PLANNED
    if step.state is RecordedState.BLOCKED:
        return Verdict.KEPT
    refused = step.final is not None and step.final.effect is Effect.DENY
    if refused or {"rejected", "responded", "expired"} & set(step.answers):
        return Verdict.REFUSED
    return Verdict.NOT_RUN
