"""Group commit: callers that wait at the same time share one sync.

Invariant: ``reach(n)`` returns only after a sync that began when line ``n`` was already written has succeeded. There
is no thread of its own: the first waiter does the work for all (leader election), and if it fails or is interrupted,
the next waiter tries for itself, so nobody is told of a success that never was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class GroupCommit:
    """Shares syncs between threads.

    Args:
        sync: Makes everything written so far durable and returns the number of the last line that this covers; called
            by one thread at a time.
    """

    def __init__(self, sync: Callable[[], int]) -> None:
        self._sync = sync
        self._changed = threading.Condition()
        self._reached = -1
        self._leading = False

    def reach(self, seq: int) -> None:
        """Wait until a line is durable.

        Args:
            seq: Number of a line that is already written.

        Raises:
            AuditWriteError: If this caller led and the sync failed.
        """
        with self._changed:
            while self._leading and self._reached < seq:
                self._changed.wait()
            if self._reached >= seq:
                return
            self._leading = True
        reached = -1
        try:
            reached = self._sync()
        finally:
            with self._changed:
                self._leading = False
                self._reached = max(self._reached, reached)
                self._changed.notify_all()
