"""Carries a tool through an effect that was begun: until its deadline, again where that is lawful, to an account.

Invariant: whatever happens, the effect is accounted for once: completed by whoever inspects its result, or failed, or
unknown. Past its deadline, or cancelled, a tool is never tried again, and what it still brings is evidence only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from aisecops_langchain.errors import AisecopsError, OutcomeUnknownError
from aisecops_langchain.runtime.effects.execution import Execution
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.effects.terms import Terms
from aisecops_langchain.runtime.effects.waiting import (
    Abandoned,
    abandoned_in,
    await_call_until,
    await_until,
    call_until,
    in_daemon_thread,
    undisturbed,
)

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

UNRECORDED = "It was started, but its outcome could not be recorded; do not assume either way."
_LATE = "The tool did not answer in time, and its outcome is unknown; do not assume either way."
_HALF_WAY = "The tool stopped half way, and its outcome is unknown."
_SILENT = "The tool was started and did not answer; its outcome is unknown."


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """The tool returned; the effect is still to be completed."""

    running: Running
    """The effect in the attempt that returned."""
    value: T


@dataclass(frozen=True, slots=True)
class NotReturned:
    """The tool did not return, and the effect has its end."""

    outcome: str
    """``failed`` or ``unknown``."""
    message: str
    """A neutral sentence for the model."""


class Carrier:
    """Carries tools through.

    Args:
        execution: Accounts for effects.
        pauses: What a host raises to interrupt its graph; a tool must not, for it would run anew from its top.
    """

    def __init__(self, execution: Execution, *, pauses: tuple[type[BaseException], ...] = ()) -> None:
        self._execution = execution
        self._pauses = pauses

    def run(self, running: Running, terms: Terms, work: Callable[[], T]) -> Returned[T] | NotReturned:
        """Carry a synchronous tool through.

        Args:
            running: The effect, begun.
            terms: What holds for it.
            work: Runs the tool once.

        Returns:
            Its result, or how it ended without one.

        Raises:
            BaseException: What is no ``Exception``, such as an interrupt; the effect is then unknown.
        """
        carriage = _Carriage(self._execution, self._pauses, running, terms)
        try:
            return _carry(carriage, work)
        except BaseException as error:
            carriage.abort(error)
            raise

    async def arun(
        self,
        running: Running,
        terms: Terms,
        work: Callable[[], Coroutine[Any, Any, T]],
        *,
        blocking: Callable[[], T] | None = None,
    ) -> Returned[T] | NotReturned:
        """Carry a tool through on an event loop; the accounting runs in worker threads.

        Args:
            running: The effect, begun.
            terms: What holds for it.
            work: Makes a coroutine that runs the tool once.
            blocking: Runs a tool that has no coroutine; used where there is a deadline, for a worker of the event loop
                would keep the loop from closing.

        Returns:
            Its result, or how it ended without one.

        Raises:
            BaseException: What is no ``Exception``, such as a cancellation; the effect is then unknown.
        """
        carriage = _Carriage(self._execution, self._pauses, running, terms)
        try:
            return await _acarry(carriage, work, blocking)
        except GeneratorExit as error:  # the loop is gone, and nothing can be awaited any more
            carriage.abort(error)
            raise
        except BaseException as error:
            aborting = error
            await undisturbed(lambda: carriage.abort(aborting))
            raise


def _carry(carriage: _Carriage, work: Callable[[], T]) -> Returned[T] | NotReturned:
    while True:
        try:
            return Returned(carriage.running, call_until(carriage.deadline, work))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            following = carriage.after(error)
        if isinstance(following, NotReturned):
            return following
        time.sleep(following)
        refused = carriage.try_again()
        if refused is not None:
            return refused


async def _acarry(
    carriage: _Carriage, work: Callable[[], Coroutine[Any, Any, T]], blocking: Callable[[], T] | None
) -> Returned[T] | NotReturned:
    while True:
        try:
            if blocking is not None and carriage.deadline is not None:
                return Returned(carriage.running, await await_call_until(carriage.deadline, blocking))
            return Returned(carriage.running, await await_until(carriage.deadline, work))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            raised = error
        following = await undisturbed(partial(carriage.after, raised))
        if isinstance(following, NotReturned):
            return following
        await asyncio.sleep(following)
        refused = await undisturbed(carriage.try_again)
        if refused is not None:
            return refused


class _Carriage:
    """One effect on its way; decides what follows from how an attempt ended, and accounts for it once."""

    def __init__(
        self, execution: Execution, pauses: tuple[type[BaseException], ...], running: Running, terms: Terms
    ) -> None:
        self._execution = execution
        self._pauses = pauses
        self._terms = terms
        self._attempts = 1
        self._raised: Exception | None = None
        """What the last attempt raised, until the next one begins."""
        self._accounted = False
        self.running = running
        self.deadline = None if terms.timeout_seconds is None else time.monotonic() + terms.timeout_seconds

    def after(self, error: Exception) -> NotReturned | float:
        """Account for an attempt that did not return; a number of seconds means that one more may follow."""
        if isinstance(error, Abandoned):
            return self._lose(error, "it did not end before its deadline", _LATE)
        if isinstance(error, self._pauses):
            _LOG.error("tool %s interrupted the graph; ask for approval by policy instead", self.running.binding.tool)
            return self._lose(error, "the tool interrupted the graph in the middle of its work", _HALF_WAY)
        if isinstance(error, OutcomeUnknownError):
            return self._lose(error, error.message, _SILENT)
        pause = self._terms.pause_after(self._attempts)
        if pause is None or isinstance(error, AisecopsError) or self._is_too_late(pause):
            return self._fail(error)
        self._raised = error
        return pause

    def try_again(self) -> NotReturned | None:
        """Begin the next attempt; where it may not begin, the effect failed with the one before."""
        raised = self._raised
        if raised is None:  # only what raised is tried again
            return None
        try:
            self.running = self._execution.again(self.running, error=type(raised).__name__)
        except AisecopsError as refusal:
            _LOG.warning("tool %s is not tried again: %s", self.running.binding.tool, refusal)
            return self._fail(raised)
        self._raised = None
        self._attempts += 1
        return None

    def abort(self, error: BaseException) -> None:
        """Account for an effect whose caller is being stopped, where that was not done yet."""
        if self._accounted:
            return
        if self._raised is not None:  # it was cut off between two attempts
            self._fail(self._raised)
        else:
            self._lose(error, f"cancelled while it ran ({type(error).__name__})", "")

    def _fail(self, error: Exception) -> NotReturned:
        self._accounted = True
        name = type(error).__name__
        try:
            self._execution.fail(self.running, error=name)
        except AisecopsError as fault:
            return _unrecorded(fault)
        return NotReturned("failed", f"The tool failed ({name}).")

    def _lose(self, error: BaseException, reason: str, message: str) -> NotReturned:
        """Record that nobody saw the end; what still comes of it is kept as evidence."""
        self._accounted = True
        try:
            self._execution.lose(self.running, reason=reason)
        except AisecopsError as fault:
            return _unrecorded(fault)
        finally:
            coming = abandoned_in(error)
            if coming is not None:  # in a thread of its own: it may come on an event loop, which must not be blocked
                late, running = self._execution.late, self.running
                coming.add_done_callback(lambda end: _start(lambda: late.keep(running, end.exception())))
        return NotReturned("unknown", message)

    def _is_too_late(self, pause: float) -> bool:
        return self.deadline is not None and time.monotonic() + pause >= self.deadline


def _start(work: Callable[[], None]) -> None:
    in_daemon_thread(work)


def _unrecorded(fault: AisecopsError) -> NotReturned:
    _LOG.error("a call ended, but its outcome could not be recorded: %s", fault)
    return NotReturned("unknown", UNRECORDED)
