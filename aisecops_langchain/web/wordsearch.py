"""Looks for words in the log, one search at a time, and remembers the last answers.

Invariant: an answer is given again only while the log has the size that it had when it was looked through.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.forensics.roster.words import runs_with

_REMEMBERED: Final = 16


class WordSearch:
    """Searches one log.

    Args:
        log: The log directory.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, int], tuple[str, ...]] = OrderedDict()

    def runs(self, words: str) -> tuple[str, ...]:
        """Find the runs in whose lines a text stands.

        Args:
            words: The text.

        Returns:
            The runs, of all organisations.

        Raises:
            AuditFormatError: If a segment cannot be read.
        """
        with self._lock:
            key = (words, sum(path.stat().st_size for path in segment_paths(self._log)))
            if key not in self._known:
                self._known[key] = runs_with(self._log, words)
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return self._known[key]
