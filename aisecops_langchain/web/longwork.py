"""Work that takes longer than a reader waits: begun once, asked for again, and kept for a while.

Invariant: one piece of work runs at a time, however many ask; who asks too much is told so. A result is given under
exactly the key that it was begun with, which names all that it depends on.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from typing import Any, Final, TypeVar

from aisecops_langchain.web.refusals import BusyError

T = TypeVar("T")

_WAIT_SECONDS: Final = 1.0
_MOST_WAITING: Final = 8
_MOST_KEPT: Final = 32


class LongWork:
    """Runs long work in one thread of its own."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="long-work")
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def close(self) -> None:
        """Begin nothing more; what runs is waited for."""
        self._worker.shutdown(cancel_futures=True)

    def result(self, key: Hashable, work: Callable[[], T]) -> T | None:
        """Ask for the result of a piece of work, and begin it if nobody did yet.

        Args:
            key: What it depends on.
            work: The work.

        Returns:
            The result, or None if it is not there within a second: ask again.

        Raises:
            BusyError: If too much is waiting already.
            AisecopsError: Whatever the work raised.
        """
        begun = self._begun(key, work)
        try:
            return begun.result(_WAIT_SECONDS)
        except NotYetError:
            return None
        except BaseException:
            with self._lock:
                self._known.pop(key, None)
            raise

    def _begun(self, key: Hashable, work: Callable[[], T]) -> Future[T]:
        with self._lock:
            found = self._known.get(key)
            if found is None:
                if sum(not future.done() for future in self._known.values()) >= _MOST_WAITING:
                    raise BusyError("too much is being worked out already", remedy="ask again later")
                found = self._known[key] = self._worker.submit(work)
            self._known.move_to_end(key)
            while len(self._known) > _MOST_KEPT and next(iter(self._known.values())).done():
                self._known.popitem(last=False)
            return found
