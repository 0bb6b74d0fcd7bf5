"""The policy time machine: every recorded request, decided again under other policies.

Invariant: a pure fold over events. Each decision that is read ends up in the report; requests that are the same in all
that policy sees are decided once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import orjson

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.domain.events import DecisionMade, parse_event
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.forensics.drift.proposal import Use, Uses
from aisecops_langchain.forensics.drift.recorded import Unknown, key_of
from aisecops_langchain.forensics.drift.redecide import as_recorded, under
from aisecops_langchain.forensics.drift.report import Determinism, DriftReport, Fault
from aisecops_langchain.forensics.drift.tally import Occurrences, Seen, Tally
from aisecops_langchain.policy import Policy

_REMEMBERED: Final = 50_000
"""Distinct requests held at a time; a log in which all differ must fit in memory, too."""


class TimeMachine:
    """Decides history again.

    Args:
        policies: The policies to decide it under.
        recorded: The policies that decided it, as far as they are at hand.
    """

    def __init__(self, policies: Sequence[Policy], recorded: Iterable[Policy] = ()) -> None:
        self._recorded: Mapping[str, Policy] = {policy.digest: policy for policy in recorded}
        self._tallies = [Tally(policy) for policy in policies]
        self._open: dict[bytes, Occurrences] = {}
        self._decisions = 0
        self._distinct = 0
        self._malformed = 0
        self._reproduced = 0
        self._faults: dict[tuple[str, str, str, Effect, Effect], Seen] = {}
        self._unknown: Counter[str] = Counter()
        self._unchecked: Counter[str] = Counter()
        self.uses = Uses()
        """What was used, for a proposal."""

    def add(self, fields: dict[str, JsonValue]) -> None:
        """Take one decision.

        Args:
            fields: A ``decision_made`` event as plain JSON; one that is malformed is counted as such.
        """
        trace, event = fields.get("trace"), fields.get("id")
        try:
            key = key_of(fields)
            found = self._open.get(key)
            if found is None:
                found = self._begin(key, fields)
        except (AisecopsError, TypeError, KeyError, AttributeError):  # JSONEncodeError is a TypeError
            self._malformed += 1
            return
        if not isinstance(trace, str) or not isinstance(event, str):
            self._malformed += 1
            return
        found.add(trace, event)

    def report(self) -> DriftReport:
        """Return what was found so far."""
        self._close()
        return DriftReport(
            decisions=self._decisions,
            distinct=self._distinct,
            malformed=self._malformed,
            determinism=Determinism(
                reproduced=self._reproduced,
                faults=tuple(
                    Fault(
                        policy=policy,
                        agent=agent,
                        tool=tool,
                        recorded=was,
                        again=now,
                        count=seen.count,
                        runs=tuple(seen.places),
                        events=tuple(seen.places.values()),
                    )
                    for (policy, agent, tool, was, now), seen in sorted(self._faults.items())
                ),
                not_reproducible=dict(sorted(self._unknown.items())),
                unchecked=dict(sorted(self._unchecked.items())),
            ),
            bundles=tuple(tally.report() for tally in self._tallies),
            caveats=tuple(self._caveats()),
        )

    def _begin(self, key: bytes, fields: dict[str, JsonValue]) -> Occurrences:
        event = parse_event(orjson.dumps(fields))
        if not isinstance(event, DecisionMade):
            raise TypeError
        if len(self._open) >= _REMEMBERED:
            self._close()
        found = self._open[key] = Occurrences(event)
        return found

    def _close(self) -> None:
        """Decide what was gathered, and let go of it."""
        for found in self._open.values():
            if found.count:
                self._settle(found)
        self._open.clear()

    def _settle(self, found: Occurrences) -> None:
        event = found.event
        self._distinct += 1
        self._decisions += found.count
        before = self._recorded.get(event.decision.policy)
        if before is None:
            self._unchecked[event.decision.policy] += found.count
        else:
            self._check(found, before)
        for tally in self._tallies:
            tally.add(found, under(event.decision, found.recorded, tally.policy, before))
        if event.decision.effect is not Effect.DENY:
            profile = before.profile(event.call.tool, event.tool_profile) if before else event.tool_profile
            hidden = None if isinstance(found.recorded, Unknown) else found.recorded.withheld
            self.uses.add(Use.of(event, profile, hidden))

    def _check(self, found: Occurrences, policy: Policy) -> None:
        event = found.event
        answer = as_recorded(event.decision, found.recorded, policy)
        if isinstance(answer, Unknown):
            self._unknown[answer.value] += found.count
        elif answer:
            self._reproduced += found.count
        else:
            again = under(event.decision, found.recorded, policy, policy)
            now = Effect.DENY if isinstance(again, Unknown) else again.effect
            kind = (policy.digest, event.principal.agent, event.call.tool, event.decision.effect, now)
            self._faults.setdefault(kind, Seen()).add(found)

    def _caveats(self) -> Iterable[str]:
        for tally in self._tallies:
            for before in self._recorded.values():
                if _results(tally.policy) != _results(before):
                    yield f"policy {tally.policy.id!r} trusts other results of tools; labels are taken as recorded"
                    break


def _results(policy: Policy) -> dict[str, object]:
    return {tool: profile.results for tool, profile in policy.profiles.items()}
