"""The views that the head of every page leads to."""

from __future__ import annotations

from typing import Final, NamedTuple


class Room(NamedTuple):
    """One view."""

    path: str
    name: str


ROOMS: Final = (
    Room("/", "Runs"),
    Room("/approvals", "Approvals"),
    Room("/measures", "Measures"),
    Room("/compare", "Compare"),
    Room("/drift", "Drift"),
    Room("/blast-radius", "Blast radius"),
    Room("/log", "Log"),
)
"""In the order in which they are shown."""
