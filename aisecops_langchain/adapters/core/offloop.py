"""Work that must be done to its end without blocking the event loop, even while the task that wants it is cancelled.

Invariant: when ``to_the_end`` returns or raises, the work has ended; a cancellation that came meanwhile is raised after
it, never lost and never in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")


async def to_the_end(work: Callable[_Given, _Made], *args: _Given.args, **kwargs: _Given.kwargs) -> _Made:
    """Run work in a worker thread and wait for its end, whoever cancels this task meanwhile.

    Args:
        work: What to do; writes files, waits for locks.
        *args: What it is given.
        **kwargs: What it is given by name.

    Returns:
        What it returns.

    Raises:
        asyncio.CancelledError: If the task was cancelled while the work was done; the work was done nevertheless.
        Exception: Whatever the work raises.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001 - raised below, as the work's own
            break
    if cancelled is not None:
        working.exception()  # retrieved, so that nobody is told that it never was
        raise cancelled
    return working.result()
