"""Turns facts into events: names them deterministically, times them, and withholds what a log must not show.

Invariant: the same fact of the same run gets the same event id, however often a node is executed again, and no
argument value reaches the log before secrets and personal data were taken out of it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TypeVar

from aisecops_langchain.canonical import JsonValue, canonical_bytes, digest_bytes
from aisecops_langchain.domain.events import Event, RecordedCall
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.ports import AuditSink, Clock, ClockError
from aisecops_langchain.sanitize import scrub_value
from aisecops_langchain.sealing import Sealer

E = TypeVar("E", bound=Event)


class Recorder:
    """Writes events of a run to the audit sink.

    Args:
        sink: Where they go.
        clock: Tells when.
        sealer: Makes commitments to withheld values.
        reveal: ``tool.argument`` names whose values may stand in the log though they look like personal data.
    """

    def __init__(self, sink: AuditSink, clock: Clock, sealer: Sealer, reveal: Collection[str] = ()) -> None:
        self._sink = sink
        self._clock = clock
        self._sealer = sealer
        self._reveal = frozenset(reveal)

    def record(
        self, kind: type[E], scope: Scope, *identity: JsonValue, parents: tuple[str, ...] = (), **fields: object
    ) -> str:
        """Write one event.

        Args:
            kind: Its type.
            scope: Where it happened.
            *identity: What tells it from other events of its kind in the same trace.
            parents: Ids of the events that it follows from.
            **fields: The fields of its type.

        Returns:
            Its id.

        Raises:
            AuditWriteError: If it could not be written.
            ClockError: If there is no time to give it.
        """
        event_id = event_identity(kind, scope.trace, *identity)
        event = kind(
            id=event_id,
            time=at(self._clock.now()),
            trace=scope.trace,
            thread=scope.thread,
            checkpoint_ns=scope.checkpoint_ns,
            parents=parents,
            principal=scope.principal,
            policy=scope.policy,
            **fields,
        )
        self._sink.append(event)
        return event_id

    def commit(self) -> None:
        """Make everything recorded so far durable.

        Raises:
            AuditWriteError: If that failed.
        """
        self._sink.commit()

    def call(self, call_id: str, call: CanonicalCall) -> RecordedCall:
        """Prepare a call for the log.

        Args:
            call_id: The model's id for it.
            call: The call.

        Returns:
            The call with secrets and personal data replaced by commitments.
        """
        shown: dict[str, JsonValue] = {}
        complete = True
        for name, value in call.arguments().items():
            revealed = f"{call.tool}.{name}" in self._reveal
            shown[name], whole = scrub_value(name, value, reveal=revealed, commit=self._commitment)
            complete = complete and whole
        return RecordedCall(call_id=call_id, tool=call.tool, digest=call.digest, arguments=shown, complete=complete)

    def _commitment(self, value: str) -> str:
        return self._sealer.seal_bytes("commitment", value.encode("utf-8", "surrogatepass"))


def event_identity(kind: type[Event], trace: str, *identity: JsonValue) -> str:
    """Name an event.

    Args:
        kind: Its type.
        trace: The run it belongs to.
        *identity: What tells it from other events of its kind in the run.

    Returns:
        32 hexadecimal digits.
    """
    return digest_bytes("event", canonical_bytes([kind.__name__, trace, *identity]))[7:39]


def at(nanoseconds: int) -> datetime:
    """Turn a time of the clock into a date.

    Args:
        nanoseconds: Since the Unix epoch.

    Returns:
        The same instant in UTC, to the microsecond.

    Raises:
        ClockError: If it is not a time after 1970 that a date can hold.
    """
    if nanoseconds <= 0:
        raise ClockError("the clock gives no usable time", expected="nanoseconds since 1970", got=str(nanoseconds))
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise ClockError("the clock gives no usable time", expected="a time before the year 9999") from error
