"""Adds up what became of recorded decisions under one policy.

Invariant: sums only; the order in which decisions come changes no number.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from aisecops_langchain.domain.decision import Decision, Effect, Stage
from aisecops_langchain.domain.events import DecisionMade
from aisecops_langchain.forensics.drift.recorded import Recorded, Unknown, recorded_of
from aisecops_langchain.forensics.drift.redecide import HELD, Answer
from aisecops_langchain.forensics.drift.report import BundleReport, Change, Coverage, Flip, RuleChange
from aisecops_langchain.policy import Explanation, Policy

SHOWN_RUNS: Final = 5
_CHANGE_TO: Final = {
    Effect.ALLOW: Change.NEWLY_ALLOWED,
    Effect.DENY: Change.NEWLY_DENIED,
    Effect.REQUIRE_APPROVAL: Change.NEWLY_ASKED,
}


class Occurrences:
    """How often the same decision was recorded, and where first.

    Args:
        event: The first one.
    """

    def __init__(self, event: DecisionMade) -> None:
        self.event = event
        self.recorded = recorded_of(event)
        self.count = 0
        self.places: dict[str, str] = {}
        """Ids of decisions by trace."""

    def add(self, trace: str, event: str) -> None:
        """Count one more, given its trace and id."""
        self.count += 1
        if len(self.places) < SHOWN_RUNS:
            self.places.setdefault(trace, event)


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
class Seen:
    """A sum with some places where it comes from."""

    count: int = 0
    places: dict[str, str] = field(default_factory=dict)

    def add(self, found: Occurrences) -> None:
        """Add what was found."""
        self.count += found.count
        for trace, event in found.places.items():
            if len(self.places) < SHOWN_RUNS:
                self.places.setdefault(trace, event)


@dataclass(slots=True)
class Tally:
    """Sums for one policy."""

    policy: Policy
    same: int = 0
    held: int = 0
    changed: Counter[Change] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    flips: dict[_Kind, Seen] = field(default_factory=dict)
    first: dict[_Kind, Explanation | None] = field(default_factory=dict)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    turned: Counter[str] = field(default_factory=Counter)
    capabilities: Counter[str] = field(default_factory=Counter)
    called: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)

    def add(self, found: Occurrences, answer: Answer) -> None:
        """Count decisions.

        Args:
            found: What was recorded.
            answer: What the policy answers.
        """
        event, count = found.event, found.count
        self.called.add(event.call.tool)
        self.agents.update((event.principal.agent, *(link.agent for link in event.principal.delegators)))
        self.before.update(dict.fromkeys(event.decision.rules, count))
        if isinstance(answer, Unknown):
            self.unknown[answer.value] += count
            return
        if _is_held(event.decision, answer):
            self.held += count
        else:
            self.after.update(dict.fromkeys(answer.rules, count))
            if answer.capability is not None:
                self.capabilities[answer.capability] += count
        self._compare(found, event.decision, answer)

    def _compare(self, found: Occurrences, old: Decision, new: Decision) -> None:
        change = _change(old, new)
        if change is None:
            self.same += found.count
            return
        self.changed[change] += found.count
        if change is not Change.TERMS:
            self.turned.update(dict.fromkeys({*old.rules} ^ {*new.rules}, found.count))
        kind = _kind(change, found.event, old, new)
        if kind not in self.flips:
            self.flips[kind] = Seen()
            self.first[kind] = _explained(self.policy, found.recorded)
        self.flips[kind].add(found)

    def report(self) -> BundleReport:
        """Return the sums."""
        flips = sorted(self.flips.items(), key=lambda item: (-item[1].count, item[0]))
        names = sorted({*self.before, *self.after, *self.turned, *self.policy.index.effects})
        return BundleReport(
            policy=self.policy.id,
            digest=self.policy.digest,
            same=self.same,
            changed={change: self.changed[change] for change in Change},
            not_reproducible=dict(sorted(self.unknown.items())),
            held=self.held,
            flips=tuple(
                Flip(
                    **kind._asdict(),
                    count=seen.count,
                    runs=tuple(seen.places),
                    events=tuple(seen.places.values()),
                    explanation=self.first[kind],
                )
                for kind, seen in flips
            ),
            rules=tuple(
                RuleChange(rule=name, before=self.before[name], after=self.after[name], flips=self.turned[name])
                for name in names
            ),
            coverage=self._coverage(),
        )

    def _coverage(self) -> Coverage:
        bundle = orjson.loads(self.policy.bundle_json())
        return Coverage(
            matched=dict(sorted(self.after.items())),
            never_matched=tuple(sorted(self.policy.index.effects.keys() - self.after.keys())),
            granted=dict(sorted(self.capabilities.items())),
            unused_capabilities=tuple(sorted(bundle["capabilities"].keys() - self.capabilities.keys())),
            unused_tools=tuple(sorted(self.policy.tools - self.called)),
            unseen_agents=tuple(sorted(self.policy.agents - self.agents)),
        )


def _is_held(old: Decision, new: Decision) -> bool:
    return old.stage in HELD or (old.stage is Stage.DELEGATION and new is old)


def _change(old: Decision, new: Decision) -> Change | None:
    if old.effect is not new.effect:
        return _CHANGE_TO[new.effect]
    same = (old.obligations, old.approvals, old.grants) == (new.obligations, new.approvals, new.grants)
    return None if same else Change.TERMS


def _kind(change: Change, event: DecisionMade, old: Decision, new: Decision) -> _Kind:
    return _Kind(
        change=change,
        agent=event.principal.agent,
        tool=event.call.tool,
        old=old.effect,
        new=new.effect,
        old_rules=old.rules,
        new_rules=new.rules,
        old_reason=_why(old),
        new_reason=_why(new),
    )


def _why(decision: Decision) -> str:
    return decision.reasons[0].message if decision.reasons else ""


def _explained(policy: Policy, recorded: Recorded | Unknown) -> Explanation | None:
    return None if isinstance(recorded, Unknown) else policy.explain(recorded.request)
