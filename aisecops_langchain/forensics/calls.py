"""Calls, as the log recorded them.

Invariant: arguments are shown for exactly the call that an event names (plan, call id and digest); a call of another
digest never lends its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias

from aisecops_langchain.domain.events import AnyEvent, DecisionMade, PlanCreated, RecordedCall
from aisecops_langchain.forensics.text import call_text

CallKey: TypeAlias = tuple[str, str, str]
"""Plan, call id and digest of the canonical call."""

EffectKey: TypeAlias = tuple[str, str]
"""Plan and call id: what may take effect at most once, whatever its arguments."""


class NamesCall(Protocol):
    """An event about one call."""

    @property
    def id(self) -> str:
        """The event's id."""
        ...

    @property
    def plan(self) -> str:
        """Identity of the plan that proposed the call."""
        ...

    @property
    def call_id(self) -> str:
        """The model's id for the call."""
        ...

    @property
    def tool(self) -> str:
        """Name of the tool."""
        ...

    @property
    def call(self) -> str:
        """Digest of the canonical call."""
        ...


def call_key(event: NamesCall) -> CallKey:
    """Identity of the exact call that an event is about.

    Args:
        event: The event.

    Returns:
        Plan, call id and digest.
    """
    return event.plan, event.call_id, event.call


def effect_key(event: NamesCall) -> EffectKey:
    """Identity of the effect that an event is about.

    Args:
        event: The event.

    Returns:
        Plan and call id.
    """
    return event.plan, event.call_id


def recorded_in(event: AnyEvent) -> Iterator[tuple[str, RecordedCall]]:
    """All calls that one event records with their arguments.

    Args:
        event: The event.

    Yields:
        The plan and the call.
    """
    match event:
        case PlanCreated():
            for step in event.steps:
                yield event.plan, step.call
        case DecisionMade():
            yield event.plan, event.call


class Calls:
    """Looks up the recorded arguments of calls.

    Args:
        events: The events that record them.
        most: How many calls are kept, the last ones; all, if not given.
        lacking: What stands in the place of arguments that no event recorded.
    """

    def __init__(
        self, events: Iterable[AnyEvent] = (), *, most: int | None = None, lacking: str = "arguments not recorded"
    ) -> None:
        self._known: dict[CallKey, RecordedCall] = {}
        self._most = most
        self._lacking = lacking
        for event in events:
            self.learn(event)

    def learn(self, event: AnyEvent) -> None:
        """Keep the calls that an event records; what was recorded first about a call stays.

        Args:
            event: Any event.
        """
        for plan, call in recorded_in(event):
            self._known.setdefault((plan, call.call_id, call.digest), call)
        while self._most is not None and len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def show(self, event: NamesCall, digest: str | None = None) -> str:
        """Show the call that an event is about.

        Args:
            event: The event.
            digest: Digest of the call that was put in its place, to show that one.

        Returns:
            One printable line: the tool with its recorded arguments, or a note that they are not at hand.
        """
        known = self._known.get((event.plan, event.call_id, digest or event.call))
        return call_text(event.tool, known.arguments if known is not None else None, lacking=self._lacking)
