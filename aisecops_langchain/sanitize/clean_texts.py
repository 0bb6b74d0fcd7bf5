"""Texts that were inspected and found clean, known again by their digests.

Invariant: a text is known only if every character of it was inspected at the same door under the same configuration, by
detectors whose answer depends on nothing else, and nothing was found or taken out. No text is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from threading import Lock
from typing import Final

from aisecops_langchain.domain.labels import SourceKind

MOST: Final = 8_192
"""Digests that are kept; each takes about 150 bytes."""


class CleanTexts:
    """The digests of the latest clean texts; safe to share between threads.

    Args:
        most: How many are kept: those that were asked for last.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[SourceKind, bytes], None] = OrderedDict()
        self._lock = Lock()

    def key(self, text: str, channel: SourceKind) -> tuple[SourceKind, bytes]:
        """Return what a text is known by.

        Args:
            text: Any text.
            channel: The door that it came through.

        Returns:
            The door and the SHA-256 digest.
        """
        return channel, sha256(text.encode("utf-8", "surrogatepass")).digest()

    def knows(self, key: tuple[SourceKind, bytes]) -> bool:
        """Tell whether a text was clean.

        Args:
            key: What it is known by.

        Returns:
            Whether it was, as far as is remembered.
        """
        with self._lock:
            if key not in self._known:
                return False
            self._known.move_to_end(key)
            return True

    def add(self, key: tuple[SourceKind, bytes]) -> None:
        """Remember a clean text, and forget the one that was asked for least lately.

        Args:
            key: What it is known by.
        """
        with self._lock:
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
