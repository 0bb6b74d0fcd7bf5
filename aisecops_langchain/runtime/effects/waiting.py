"""Waiting for a tool no longer than its deadline.

Invariant: whoever waits gets the tool's own end, or ``Abandoned`` with a future that will still tell it; never both. A
thread cannot be killed, so a tool in one may go on, but in a daemon thread, which keeps no process from ending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_DEADLINE: ContextVar[float | None] = ContextVar("aisecops_deadline", default=None)

_UNWATCHED: set[asyncio.Task[Any]] = set()
"""Tasks that were cancelled and not awaited; the event loop itself holds on to none of them."""


def current_deadline() -> float | None:
    """Tell until when somebody waits for what runs here, by ``time.monotonic``; ``None`` where nobody set a bound."""
    return _DEADLINE.get()


class Abandoned(Exception):  # noqa: N818 - what happened to the tool, not an error of anybody
    """Nobody waits for the tool any more.

    Args:
        end: Will tell how it ended.
    """

    def __init__(self, end: Future[None]) -> None:
        super().__init__("nobody waits for the tool any more")
        self.end = end


def call_until(deadline: float | None, work: Callable[[], T]) -> T:
    """Call a function, and wait for it until a deadline.

    Args:
        deadline: By ``time.monotonic``; ``None`` calls it in this very thread.
        work: The function.

    Returns:
        What it returns; what it raises is raised.

    Raises:
        Abandoned: If the deadline passed.
    """
    if deadline is None:
        return work()
    future = in_daemon_thread(work, deadline)
    try:
        wait([future], timeout=_left(deadline))
    except BaseException as interrupted:
        raise interrupted from Abandoned(_end_of(future))
    if not future.done():
        raise Abandoned(_end_of(future))
    return future.result()


async def await_until(deadline: float | None, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Await a coroutine, and cancel it at a deadline.

    Args:
        deadline: By ``time.monotonic``; ``None`` awaits it as it is.
        work: Makes the coroutine.

    Returns:
        What it returns; what it raises is raised.

    Raises:
        Abandoned: If the deadline passed.
    """
    if deadline is None:
        return await work()
    task = asyncio.ensure_future(work())
    try:
        await asyncio.wait({task}, timeout=_left(deadline))
    except BaseException as interrupted:
        raise interrupted from Abandoned(_let_go(task))
    if not task.done():
        raise Abandoned(_let_go(task))
    return task.result()


async def await_call_until(deadline: float, work: Callable[[], T]) -> T:
    """Call a function in a thread of its own, and await it until a deadline; otherwise as ``await_until``."""
    future = in_daemon_thread(work, deadline)
    try:
        await asyncio.wait({asyncio.wrap_future(future)}, timeout=_left(deadline))
    except BaseException as interrupted:
        raise interrupted from Abandoned(_end_of(future))
    if not future.done():
        raise Abandoned(_end_of(future))
    return future.result()


def in_daemon_thread(work: Callable[[], T], deadline: float | None = None) -> Future[T]:
    """Call a function in a thread of its own, in a copy of the current context.

    Args:
        work: The function.
        deadline: Until when somebody waits for it; what it calls can ask for it.

    Returns:
        A future of what it returns or raises.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        _DEADLINE.set(deadline)
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever it was
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=copy_context().run, args=(run,), name="governed-tool", daemon=True).start()
    return future


async def undisturbed(work: Callable[[], T], *, undo: Callable[[T], object] | None = None) -> T:
    """Run something in a worker thread to its end, however often the caller is cancelled meanwhile.

    Args:
        work: What must not be left half done; writes files, waits for locks.
        undo: Given the result where the caller was cancelled and will not see it.

    Returns:
        What it returns.

    Raises:
        asyncio.CancelledError: If the caller was cancelled meanwhile; the work was done nevertheless.
        Exception: Whatever the work raises.
    """
    doing = asyncio.get_running_loop().run_in_executor(None, copy_context().run, work)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait({doing})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return doing.result()
    if doing.exception() is None and undo is not None:
        await undisturbed(partial(undo, doing.result()))
    raise cancelled


def abandoned_in(error: BaseException) -> Future[None] | None:
    """Find the end that will still come of a tool which nobody waits for, in what was raised instead of it."""
    found = error if isinstance(error, Abandoned) else error.__cause__
    return found.end if isinstance(found, Abandoned) else None


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _end_of(future: Future[T]) -> Future[None]:
    """The end of a tool without its result, which nobody may see."""
    end: Future[None] = Future()

    future.add_done_callback(lambda ended: _pass_on(ended.exception(), end))
    return end


def _let_go(task: asyncio.Task[T]) -> Future[None]:
    """Cancel a task without waiting for it to give in; one that does tells nothing of what it had done."""
    end: Future[None] = Future()

    def tell(ended: asyncio.Task[T]) -> None:
        _UNWATCHED.discard(ended)
        if not ended.cancelled():
            _pass_on(ended.exception(), end)

    _UNWATCHED.add(task)
    task.add_done_callback(tell)
    task.cancel()
    return end


def _pass_on(error: BaseException | None, end: Future[None]) -> None:
    """Tell how something ended; where it gave up waiting for the tool itself, the tool will tell."""
    if isinstance(error, Abandoned):
        error.end.add_done_callback(lambda further: _pass_on(further.exception(), end))
    elif error is None:
        end.set_result(None)
    else:
        end.set_exception(error)
