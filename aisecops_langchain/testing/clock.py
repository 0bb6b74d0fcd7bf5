"""A clock that stands until it is moved."""

from __future__ import annotations


class FixedClock:
    """Tells the time that it was set to.

    Invariant: it moves only when told to.

    Args:
        nanoseconds: Since the Unix epoch.
    """

    def __init__(self, nanoseconds: int = 1_800_000_000_000_000_000) -> None:
        self._now = nanoseconds

    def now(self) -> int:
        """Return the time it was set to, in nanoseconds since the Unix epoch."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        Args:
            seconds: By how much.
        """
        self._now += int(seconds * 1_000_000_000)
