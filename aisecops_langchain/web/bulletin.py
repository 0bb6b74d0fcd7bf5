"""What is new, for pages that are open.

Invariant: news say that something changed and which runs, never what; whoever hears them asks the API, which looks
again who may see it.
"""

from __future__ import annotations

import threading
from collections import deque
from enum import StrEnum
from typing import Final, NamedTuple

_KEPT: Final = 1000


class Topic(StrEnum):
    """What news are about."""

    STANDING = "standing"
    """The standing of the log."""
    CHANGED = "changed"
    """Runs began or went on."""
    APPROVALS = "approvals"
    """Somebody was asked, or answered."""


class News(NamedTuple):
    """One piece of news."""

    number: int
    topic: Topic
    runs: dict[str, frozenset[str]]
    """Runs that it is about, and the organisations that each touches."""


class Bulletin:
    """Keeps the latest news."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news: deque[News] = deque(maxlen=_KEPT)
        self._last = 0

    def post(self, topic: Topic, runs: dict[str, frozenset[str]] | None = None) -> None:
        """Add a piece of news.

        Args:
            topic: What it is about.
            runs: The runs, and the organisations that each touches.
        """
        with self._lock:
            self._last += 1
            self._news.append(News(self._last, topic, runs or {}))

    def last(self) -> int:
        """Return the number of the latest piece."""
        with self._lock:
            return self._last

    def since(self, number: int) -> tuple[News, ...]:
        """Return what came after a number; of very much, the latest.

        Args:
            number: The number of the last piece that was heard.
        """
        with self._lock:
            return tuple(news for news in self._news if news.number > number)
