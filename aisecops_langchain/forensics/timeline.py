"""The timeline: every event of a trace in order, in one sentence each.

Invariant: one entry per event, none left out; all text is printable, whatever the log holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import AwareDatetime

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.forensics.pairs import milliseconds, pairs_of
from aisecops_langchain.forensics.stages import STAGE_OF, TimelineStage
from aisecops_langchain.forensics.trace import Trace
from aisecops_langchain.forensics.wording import Narrator


class TimelineEntry(Frozen):
    """One event in words."""

    event: str
    """The event's id."""
    kind: str
    time: AwareDatetime
    offset_ms: float
    """Milliseconds since the first event of the trace."""
    stage: TimelineStage
    text: str
    """One printable sentence: who, what, why."""
    duration_ms: float | None = None
    """On an event that ends something: milliseconds since its beginning."""
    parents: tuple[str, ...] = ()


class Timeline:
    """A trace whose events can be told in part, as pages of a long run do.

    Args:
        trace: The trace.
    """

    def __init__(self, trace: Trace) -> None:
        self._narrator = Narrator(trace)
        self._durations = {pair.end.id: pair.duration_ms for pair in pairs_of(trace) if pair.end is not None}
        self._first = min(trace.events, key=lambda event: event.time)

    def tell(self, events: Iterable[AnyEvent]) -> tuple[TimelineEntry, ...]:
        """Tell some events.

        Args:
            events: Events of the trace.

        Returns:
            One entry per event, in their order.
        """
        return tuple(
            TimelineEntry(
                event=event.id,
                kind=event.kind,
                time=event.time,
                offset_ms=milliseconds(self._first, event),
                stage=STAGE_OF[event.kind],
                text=self._narrator.tell(event),
                duration_ms=self._durations.get(event.id),
                parents=event.parents,
            )
            for event in events
        )


def timeline(trace: Trace) -> tuple[TimelineEntry, ...]:
    """Tell a trace event by event.

    Args:
        trace: The trace.

    Returns:
        One entry per event, causes before effects.
    """
    return Timeline(trace).tell(trace.events)
