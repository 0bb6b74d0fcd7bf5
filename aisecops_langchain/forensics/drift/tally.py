"""Adds up what became of recorded decisions under one policy.

Invariant: sums only; the order in which decisions come changes no number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import DecisionMade, parse_event
from aisecops_langchain.forensics.drift.course import Became, Course, Was
from aisecops_langchain.forensics.drift.recorded import Unknown, recorded_of
from aisecops_langchain.forensics.drift.report import BundleReport, Change, Coverage, Flip, RuleChange
from aisecops_langchain.forensics.drift.seen import Seen
from aisecops_langchain.policy import Explanation, Policy


class _Kind(NamedTuple):
    change: Change
    agent: str
    tool: str
    old: Effect
    new: Effect
    old_rules: tuple[str, ...]
    new_rules: tuple[str, ...]
    old_reason: str
    new_reason: str


@dataclass(slots=True)
class _Tally:
    same: int = 0
    held: int = 0
    changed: Counter[Change] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    flips: dict[_Kind, Seen] = field(default_factory=dict)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    turned: Counter[str] = field(default_factory=Counter)
    capabilities: Counter[str] = field(default_factory=Counter)
    called: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)

    def add(self, was: Was, became: Became | Unknown, seen: Seen) -> None:
        self.called.add(was.tool)
        self.agents.update((was.agent, *was.delegators))
        self.before.update(dict.fromkeys(was.rules, seen.count))
        if isinstance(became, Unknown):
            self.unknown[became.value] += seen.count
            return
        if became.held:
            self.held += seen.count
        else:
            self.after.update(dict.fromkeys(became.rules, seen.count))
            if became.capability is not None:
                self.capabilities[became.capability] += seen.count
        if became.change is None:
            self.same += seen.count
        else:
            self._changed(was, became, became.change, seen)

    def _changed(self, was: Was, became: Became, change: Change, seen: Seen) -> None:
        self.changed[change] += seen.count
        if change is not Change.TERMS:
            self.turned.update(dict.fromkeys({*was.rules} ^ {*became.rules}, seen.count))
        kind = _Kind(
            change=change,
            agent=was.agent,
            tool=was.tool,
            old=was.effect,
            new=became.effect,
            old_rules=was.rules,
            new_rules=became.rules,
            old_reason=was.reason,
            new_reason=became.reason,
        )
        self.flips.setdefault(kind, Seen()).merge(seen)


def bundle_report(policy: Policy, number: int, courses: Mapping[Course, Seen]) -> BundleReport:
    """Report history under one policy.

    Args:
        policy: The policy.
        number: Its place among the policies of the courses.
        courses: How often each course was taken.

    Returns:
        The report.
    """
    tally = _Tally()
    for course, seen in courses.items():
        tally.add(course.was, course.became[number], seen)
    return BundleReport(
        policy=policy.id,
        digest=policy.digest,
        same=tally.same,
        changed={change: tally.changed[change] for change in Change},
        not_reproducible=dict(sorted(tally.unknown.items())),
        held=tally.held,
        flips=tuple(_flips(tally, policy)),
        rules=tuple(_rules(tally, policy)),
        coverage=_coverage(tally, policy),
    )


def _flips(tally: _Tally, policy: Policy) -> Iterator[Flip]:
    for kind, seen in sorted(tally.flips.items(), key=lambda item: (-item[1].count, item[0])):
        yield Flip(
            **kind._asdict(),
            count=seen.count,
            runs=tuple(place.trace for place in seen.places),
            events=tuple(place.event for place in seen.places),
            explanation=_explained(policy, seen.line),
        )


def _rules(tally: _Tally, policy: Policy) -> Iterator[RuleChange]:
    for name in sorted({*tally.before, *tally.after, *tally.turned, *policy.index.effects}):
        yield RuleChange(rule=name, before=tally.before[name], after=tally.after[name], flips=tally.turned[name])


def _coverage(tally: _Tally, policy: Policy) -> Coverage:
    bundle = orjson.loads(policy.bundle_json())
    return Coverage(
        matched=dict(sorted(tally.after.items())),
        never_matched=tuple(sorted(policy.index.effects.keys() - tally.after.keys())),
        granted=dict(sorted(tally.capabilities.items())),
        unused_capabilities=tuple(sorted(bundle["capabilities"].keys() - tally.capabilities.keys())),
        unused_tools=tuple(sorted(policy.tools - tally.called)),
        unseen_agents=tuple(sorted(policy.agents - tally.agents)),
    )


def _explained(policy: Policy, line: bytes) -> Explanation | None:
    """Say why the first of the decisions is decided so now."""
    event = parse_event(line)
    recorded = recorded_of(event) if isinstance(event, DecisionMade) else Unknown.ALTERED
    return None if isinstance(recorded, Unknown) else policy.explain(recorded.request)
