"""Looks at the log again and again, in threads of its own.

Invariant: what goes wrong once is told in the server's log and tried again; looking never ends while the server runs,
and ends with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.web.library import Library

_PAUSE_SECONDS: Final = 0.5
_LOGGER: Final = logging.getLogger(__name__)


@contextmanager
def watching(library: Library) -> Iterator[None]:
    """Keep a library in step with its log.

    Args:
        library: The library.

    Yields:
        Nothing; looking ends when the context does.
    """
    stop = threading.Event()
    threads = [
        threading.Thread(target=_again_and_again, args=(look, stop), name=name, daemon=True)
        for name, look in (("reading-log", library.read), ("checking-log", library.check))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=_PAUSE_SECONDS * 4)


def _again_and_again(look: Callable[[], None], stop: threading.Event) -> None:
    failed = ""
    while not stop.is_set():
        try:
            look()
            failed = ""
        except (AisecopsError, OSError) as error:
            if failed != (failed := type(error).__name__):
                _LOGGER.warning("looking at the log failed: %s", failed)
        stop.wait(_PAUSE_SECONDS)
