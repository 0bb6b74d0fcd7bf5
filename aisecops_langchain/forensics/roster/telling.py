"""Tells a run from what was gathered of it: its row, its figures, and what it can be found by.

Invariant: for a run that the log records once and in order, the row says what ``forensics.summary`` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import orjson

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.forensics.outcome import Outcome
from aisecops_langchain.forensics.roster.gathering import Gathering
from aisecops_langchain.forensics.roster.reading import at
from aisecops_langchain.forensics.roster.row import AnswerFigure, CallFigure, RunFigures, RunRow

_MICROSECONDS = 1_000_000


def row_of(run: Gathering) -> RunRow:
    """Tell a run in one row.

    Args:
        run: What was gathered; at least one event.

    Returns:
        The row.
    """
    thread, agent, user, tenant = run.scope()
    decided: Counter[str] = Counter()
    for key, count in run.calls.items():
        decided[orjson.loads(key)[3]] += count
    return RunRow(
        trace=run.trace,
        thread=thread,
        agent=agent,
        user=user,
        tenant=tenant,
        outcome=outcome_of(run),
        started=at(run.begun),
        duration_ms=round((run.ended - run.begun) / 1000, 3),
        allowed=decided[Effect.ALLOW],
        asked=decided[Effect.REQUIRE_APPROVAL],
        denied=decided[Effect.DENY],
        executed=len(run.started),
        events=len(run.ids),
        waiting=0 if run.end else len(run.paused - run.answered),
        tools=tuple(sorted(run.tools)),
        trust=tuple(sorted(run.trust)),
        findings=dict(sorted(run.findings.items())),
    )


def outcome_of(run: Gathering) -> Outcome:
    """Tell how a run ended, or that it has not.

    Args:
        run: What was gathered.
    """
    if run.end is not None:
        return Outcome(run.end[3])
    return Outcome.PAUSED if run.paused - run.answered else Outcome.UNFINISHED


def figures_of(run: Gathering) -> RunFigures:
    """Tell what measures need of a run.

    Args:
        run: What was gathered.

    Returns:
        The figures.
    """
    tools = {span for span, _, _ in run.spans}
    seen = Counter(name for _, parent, name in run.spans if parent not in tools)
    return RunFigures(
        calls=tuple(_calls(run)),
        answers=tuple(_answers(run)),
        expired=run.expired,
        witnessed=seen.total(),
        outside=sum(max(0, times - run.executed[tool]) for tool, times in seen.items()),
        found=run.found_at is not None,
        contained_s=_contained(run),
    )


def facets_of(run: Gathering) -> set[tuple[str, str]]:
    """Tell what a run can be found by.

    Args:
        run: What was gathered.

    Returns:
        Pairs of a facet's name and a value.
    """
    _, agent, user, tenant = run.scope()
    values = {
        "agent": run.agents | {agent},
        "user": run.users | {user},
        "tenant": run.tenants or {tenant},
        "tool": run.tools,
        "trust": run.trust,
        "finding": set(run.findings),
        "decision": {orjson.loads(key)[3] for key in run.calls},
        "outcome": {outcome_of(run).value},
        "source": run.sources,
    }
    return {(facet, value) for facet, found in values.items() for value in found}


def _calls(run: Gathering) -> Iterator[CallFigure]:
    for key, count in sorted(run.calls.items()):
        policy, tool, effects, effect = orjson.loads(key)
        yield CallFigure(policy=policy, tool=tool, effects=tuple(effects), effect=effect, count=count)


def _answers(run: Gathering) -> Iterator[AnswerFigure]:
    for approval, approver, verified, yes, seconds, time in sorted(
        run.answers, key=lambda answer: (answer[5], answer[0])
    ):
        asked = run.asked.get(approval)
        if seconds is None and asked is not None:
            seconds = round((time - asked) / _MICROSECONDS, 3)  # noqa: PLW2901 - filled in where it was not told
        yield AnswerFigure(approver=approver, verified=verified, yes=yes, seconds=seconds)


def _contained(run: Gathering) -> float | None:
    found = run.found_at
    after = [time for time in run.held_at if found is not None and time >= found]
    return None if found is None or not after else round((min(after) - found) / _MICROSECONDS, 3)
