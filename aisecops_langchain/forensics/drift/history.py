"""The policy time machine: every recorded request, decided again under other policies.

Invariant: a pure fold over events. Each decision that is read ends up in the report; requests that are the same in all
that a policy can look at are decided once, and it changes no answer that they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import DecisionMade, parse_event
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.forensics.drift.course import Check, Course, course_of
from aisecops_langchain.forensics.drift.keys import Keys
from aisecops_langchain.forensics.drift.proposal import Use, Uses
from aisecops_langchain.forensics.drift.recorded import Recorded, Unknown, recorded_of
from aisecops_langchain.forensics.drift.report import Determinism, DriftReport, Fault
from aisecops_langchain.forensics.drift.seen import Seen
from aisecops_langchain.forensics.drift.shortcut import HEAD, Shortcut
from aisecops_langchain.forensics.drift.tally import bundle_report
from aisecops_langchain.policy import Policy

_REMEMBERED: Final = 200_000
"""Keys of requests held at a time; a log in which all differ must fit in memory, too."""

_SHAPELESS: Final = (AisecopsError, TypeError, KeyError, AttributeError, ValueError)
"""What reading an event of another shape raises; ``JSONEncodeError`` is a ``TypeError``, what pydantic finds and what
is no JSON a ``ValueError``."""


class _Kind(NamedTuple):
    policy: str
    agent: str
    tool: str
    was: Effect
    now: Effect


class TimeMachine:
    """Decides history again.

    Args:
        policies: The policies to decide it under.
        recorded: The policies that decided it, as far as they are at hand.
        gather_uses: Whether ``uses`` is wanted; without, requests that differ only in what no policy looks at are
            the same.
    """

    def __init__(
        self, policies: Sequence[Policy], recorded: Iterable[Policy] = (), *, gather_uses: bool = True
    ) -> None:
        self._policies = tuple(policies)
        self._recorded: Mapping[str, Policy] = {policy.digest: policy for policy in recorded}
        self._keys = Keys((*self._policies, *self._recorded.values()), whole=gather_uses)
        self._shortcut: Shortcut[Seen] = Shortcut(self._keys.of)
        self._met: dict[bytes, Seen] = {}
        self._gather_uses = gather_uses
        self.courses: dict[Course, Seen] = {}
        """What became of decisions, and how often."""
        self.distinct = 0
        """Different requests, as they were met; one that comes again much later may count twice."""
        self.malformed = 0
        """Events that claim to be decisions and are none."""
        self.uses = Uses()
        """What was used, for a proposal; empty if it was not wanted."""

    def add(self, fields: dict[str, JsonValue]) -> None:
        """Take one decision.

        Args:
            fields: A ``decision_made`` event as plain JSON; one that is malformed is counted as such.
        """
        try:
            line = orjson.dumps(fields)
        except TypeError:
            self.malformed += 1
            return
        self._add(line, fields)

    def add_line(self, line: bytes) -> None:
        """Take one decision as it stands in the log; the fast way.

        Args:
            line: The line of a ``decision_made`` event; one that is malformed is counted as such.
        """
        head = HEAD.match(line)
        seen = None if head is None else self._shortcut.find(line, head)
        if head is not None and seen is not None:
            event, time, trace = head.groups()
            seen.add(time.decode(), trace.decode(), event.decode(), line)
            return
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            fields = None
        if not isinstance(fields, dict):
            self.malformed += 1
            return
        before = self.distinct
        found = self._add(line, fields)
        if head is not None and found is not None and self.distinct == before:  # it was met before: it may come again
            self._shortcut.learn(line, head, *found)

    def absorb(self, courses: Mapping[Course, Seen], *, distinct: int, malformed: int) -> None:
        """Add what another machine with the same policies found in another part of the log.

        Args:
            courses: Its courses.
            distinct: How many of its requests are different from each other and from all of this machine.
            malformed: How many of its events were malformed.
        """
        for course, seen in courses.items():
            self.courses.setdefault(course, Seen()).merge(seen)
        self.distinct += distinct
        self.malformed += malformed

    @property
    def keys(self) -> Collection[bytes]:
        """Keys of the requests that were met, as far as they are remembered."""
        return self._met.keys()

    def report(self) -> DriftReport:
        """Return what was found so far."""
        checks = Counter[Check]()
        unknown, unchecked = Counter[str](), Counter[str]()
        for course, seen in self.courses.items():
            checks[course.was.check] += seen.count
            if course.was.check is Check.UNKNOWN:
                unknown[course.was.detail] += seen.count
            elif course.was.check is Check.UNCHECKED:
                unchecked[course.was.policy] += seen.count
        return DriftReport(
            decisions=checks.total(),
            distinct=self.distinct,
            malformed=self.malformed,
            determinism=Determinism(
                reproduced=checks[Check.REPRODUCED],
                faults=tuple(_faults(self.courses)),
                not_reproducible=dict(sorted(unknown.items())),
                unchecked=dict(sorted(unchecked.items())),
            ),
            bundles=tuple(bundle_report(policy, number, self.courses) for number, policy in enumerate(self._policies)),
            caveats=tuple(self._caveats()),
        )

    def _add(self, line: bytes, fields: dict[str, JsonValue]) -> tuple[bytes, Seen] | None:
        time, trace, event = fields.get("time"), fields.get("trace"), fields.get("id")
        try:
            if not isinstance(time, str) or not isinstance(trace, str) or not isinstance(event, str):
                raise TypeError
            key = self._keys.of(fields)
            seen = self._met.get(key) or self._begin(key, line)
        except _SHAPELESS:
            self.malformed += 1
            return None
        seen.add(time, trace, event, line)
        return key, seen

    def _begin(self, key: bytes, line: bytes) -> Seen:
        event = parse_event(line)
        if not isinstance(event, DecisionMade):
            raise TypeError
        recorded = recorded_of(event)
        seen = self.courses.setdefault(course_of(event, recorded, self._policies, self._recorded), Seen())
        if len(self._met) >= _REMEMBERED:
            self._met.clear()
        self._met[key] = seen
        self.distinct += 1
        if self._gather_uses and event.decision.effect is not Effect.DENY:
            self.uses.add(self._use(event, recorded))
        return seen

    def _use(self, event: DecisionMade, recorded: Recorded | Unknown) -> Use:
        before = self._recorded.get(event.decision.policy)
        profile = before.profile(event.call.tool, event.tool_profile) if before else event.tool_profile
        return Use.of(event, profile, None if isinstance(recorded, Unknown) else recorded.withheld)

    def _caveats(self) -> Iterator[str]:
        for policy in self._policies:
            if any(_results(policy) != _results(before) for before in self._recorded.values()):
                yield f"policy {policy.id!r} trusts other results of tools; labels are taken as recorded"


def _faults(courses: Mapping[Course, Seen]) -> Iterator[Fault]:
    found: dict[_Kind, Seen] = {}
    for (was, _), seen in courses.items():
        if was.check is Check.FAULT:
            kind = _Kind(was.policy, was.agent, was.tool, was.effect, Effect(was.detail))
            found.setdefault(kind, Seen()).merge(seen)
    for kind, seen in sorted(found.items(), key=lambda item: item[0]):
        yield Fault(
            policy=kind.policy,
            agent=kind.agent,
            tool=kind.tool,
            recorded=kind.was,
            again=kind.now,
            count=seen.count,
            runs=tuple(place.trace for place in seen.places),
            events=tuple(place.event for place in seen.places),
        )


def _results(policy: Policy) -> dict[str, object]:
    return {tool: profile.results for tool, profile in policy.profiles.items()}
