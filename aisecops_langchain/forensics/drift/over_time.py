"""Drift over time: what agents did in one window against another, and in which runs.

Invariant: the unit is the run. A run counts once for each thing that happens in it, however often, since calls of one
run depend on each other and tests of them do not hold. Targets are told apart by digest or commitment, never shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from aisecops_langchain.canonical import JsonValue, digest
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.events import DecisionMade, ModelStarted, parse_event
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import AisecopsError, CanonicalizationError
from aisecops_langchain.forensics.drift.statistics import adjusted, p_value
from aisecops_langchain.policy import Policy

FALSE_DISCOVERIES: Final = 0.05
"""Share of false alarms to accept among the changes told."""

_SHOWN_RUNS: Final = 5
_VERSIONS: Final = ("policy", "model", "prompt")


class Shift(Frozen):
    """One thing that is more or less common than it was."""

    dimension: str
    """``tool``, ``decision``, ``rule``, ``risk``, ``source``, ``trust``, ``target``, or a version: ``policy`` ...."""
    value: str
    version: str
    """Empty over all runs; else the ``policy``, ``model`` or ``prompt`` whose runs alone are compared."""
    before: int
    """Runs that have it."""
    after: int
    p: float
    q: float
    """The p-value, adjusted for the number of comparisons (Benjamini-Hochberg)."""
    runs: tuple[str, ...]
    """Some of the runs behind it: of the later window where it grew, of the earlier where it shrank."""


class Versions(Frozen):
    """How many runs a version had."""

    dimension: str
    value: str
    before: int
    after: int


class DriftOverTime(Frozen):
    """Two windows compared."""

    runs_before: int
    runs_after: int
    runs_between: int
    """Runs that began in neither window."""
    malformed: int
    comparisons: int
    versions: tuple[Versions, ...]
    shifts: tuple[Shift, ...]
    """What changed, by ``q``; none of the rest is told."""


@dataclass(slots=True)
class _Run:
    began: datetime
    features: set[tuple[str, str]] = field(default_factory=set)


class Windows:
    """Gathers runs.

    Args:
        policies: Bundles at hand, which say what the targets of tools are.
    """

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        self._policies: Mapping[str, Policy] = {policy.digest: policy for policy in policies}
        self._runs: dict[str, _Run] = {}
        self._malformed = 0

    def add(self, fields: dict[str, JsonValue]) -> None:
        """Take one event.

        Args:
            fields: A ``decision_made`` or ``model_started`` event as plain JSON; a malformed one is counted as such.
        """
        try:
            event = parse_event(orjson.dumps(fields))
        except (AisecopsError, orjson.JSONEncodeError):
            self._malformed += 1
            return
        run = self._runs.setdefault(event.trace, _Run(event.time))
        run.began = min(run.began, event.time)
        if isinstance(event, DecisionMade):
            run.features.update(self._features(event))
        elif isinstance(event, ModelStarted):
            run.features.add(("model", event.name))

    def compare(self, until: datetime, since: datetime) -> DriftOverTime:
        """Compare the runs that began before one moment with those that began after another.

        Args:
            until: End of the earlier window.
            since: Begin of the later window.

        Returns:
            What changed.
        """
        before = {name: run for name, run in self._runs.items() if run.began < until}
        after = {name: run for name, run in self._runs.items() if run.began >= since and name not in before}
        found = list(_shifts("", before, after))
        for version in sorted({item for run in before.values() for item in run.features if item[0] in _VERSIONS}):
            found += _shifts(f"{version[0]} {version[1]}", _having(version, before), _having(version, after))
        corrected = adjusted([shift.p for shift in found])
        told = [shift.model_copy(update={"q": q}) for shift, q in zip(found, corrected, strict=True)]
        return DriftOverTime(
            runs_before=len(before),
            runs_after=len(after),
            runs_between=len(self._runs) - len(before) - len(after),
            malformed=self._malformed,
            comparisons=len(found),
            versions=tuple(_versions(before, after)),
            shifts=tuple(
                sorted(
                    (shift for shift in told if shift.q <= FALSE_DISCOVERIES),
                    key=lambda shift: (shift.q, shift.version, shift.dimension, shift.value),
                )
            ),
        )

    def _features(self, event: DecisionMade) -> Iterator[tuple[str, str]]:
        decision = event.decision
        yield "tool", event.call.tool
        yield "decision", f"{event.call.tool}: {decision.effect.value}"
        yield "risk", decision.risk
        yield "policy", decision.policy
        yield "trust", event.context.integrity.value
        for rule in decision.rules:
            yield "rule", rule
        for source in event.context.sources:
            if source.kind is SourceKind.SYSTEM_PROMPT:
                yield "prompt", source.digest
            elif source.kind is not SourceKind.USER_PROMPT:
                yield "source", f"{source.kind.value} {source.name}"
        policy = self._policies.get(decision.policy)
        profile = policy.profile(event.call.tool, event.tool_profile) if policy else event.tool_profile
        if profile is not None:
            yield from _targets(event, profile)


def _targets(event: DecisionMade, profile: ToolProfile) -> Iterator[tuple[str, str]]:
    """Name targets by digest; a withheld value by that of its commitment, which is the same for the same value."""
    for name in profile.targets:
        value = event.call.arguments.get(name)
        if value is None:
            continue
        for item in value if isinstance(value, list) else [value]:
            try:
                yield "target", f"{event.call.tool}.{name} {digest('target', item)[:23]}"
            except CanonicalizationError:
                continue


def _having(feature: tuple[str, str], runs: Mapping[str, _Run]) -> dict[str, _Run]:
    return {name: run for name, run in runs.items() if feature in run.features}


def _shifts(version: str, before: Mapping[str, _Run], after: Mapping[str, _Run]) -> Iterator[Shift]:
    if not before or not after:
        return
    counted = [Counter(item for run in runs.values() for item in run.features) for runs in (before, after)]
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    grown = {
        item: counted[1][item] * len(before) > counted[0][item] * len(after) for item in {*counted[0], *counted[1]}
    }
    for runs, later in ((before, False), (after, True)):
        for name, run in sorted(runs.items(), key=lambda item: (item[1].began, item[0])):
            for item in run.features:
                if grown[item] is later and len(places[item]) < _SHOWN_RUNS:
                    places[item].append(name)
    for item in sorted(grown):
        if counted[0][item] + counted[1][item] == len(before) + len(after):
            continue  # in every run of both: there is nothing to compare
        p = p_value(counted[0][item], len(before), counted[1][item], len(after))
        yield Shift(
            dimension=item[0],
            value=item[1],
            version=version,
            before=counted[0][item],
            after=counted[1][item],
            p=p,
            q=p,
            runs=tuple(places[item]),
        )


def _versions(before: Mapping[str, _Run], after: Mapping[str, _Run]) -> Iterator[Versions]:
    counted = [
        Counter(item for run in runs.values() for item in run.features if item[0] in _VERSIONS)
        for runs in (before, after)
    ]
    for item in sorted({*counted[0], *counted[1]}):
        yield Versions(dimension=item[0], value=item[1], before=counted[0][item], after=counted[1][item])
