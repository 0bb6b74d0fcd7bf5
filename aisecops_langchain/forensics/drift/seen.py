"""How often something was recorded, and where first.

Invariant: what is kept is a function of the set of places that were added, whatever the order; so two counts of parts
of a log make the count of the whole.
"""

from __future__ import annotations

from bisect import insort
from typing import Final, NamedTuple

SHOWN_RUNS: Final = 5


class Place(NamedTuple):
    """One recorded decision, the earliest first; times are compared as they are written."""

    time: str
    trace: str
    event: str
    """Id of the decision."""


class Seen:
    """A count with the earliest places of it, one for each run, and the line that stands at the first of them."""

    __slots__ = ("_last", "count", "line", "places")

    def __init__(self) -> None:
        self.count = 0
        self.places: list[Place] = []
        self._last: Place | None = None
        self.line = b""
        """Of ``places[0]``."""

    def add(self, time: str, trace: str, event: str, line: bytes) -> None:
        """Count one more.

        Args:
            time: When it was, as the log writes it.
            trace: In which run.
            event: Its id.
            line: Its line of the log.
        """
        self.count += 1
        place = (time, trace, event)
        if self._last is None or place < self._last:
            self._place(Place(*place), line)

    def merge(self, other: Seen) -> None:
        """Add what was counted elsewhere."""
        self.count += other.count
        for place in other.places:
            self._place(place, other.line)

    def _place(self, place: Place, line: bytes) -> None:
        places = self.places
        for number, known in enumerate(places):
            if known.trace == place.trace:
                if place >= known:
                    return
                del places[number]
                break
        insort(places, place)
        if places[0] is place:
            self.line = line
        del places[SHOWN_RUNS:]
        self._last = places[-1] if len(places) == SHOWN_RUNS else None
