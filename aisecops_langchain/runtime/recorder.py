"""Turns facts into events: names them deterministically, times them, and withholds what a log must not show.

Invariant: the same fact of the same run gets the same event id, however often a node is executed again, and no
argument value reaches the log before secrets and personal data were taken out of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from aisecops_langchain.canonical import JsonValue, digest_texts
from aisecops_langchain.domain.events import SCHEMA_VERSION, Event, RecordedCall
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import AuditWriteError
from aisecops_langchain.runtime.ledger.texts import FrozenTexts
from aisecops_langchain.runtime.ports import AuditSink, Clock, ClockError
from aisecops_langchain.sanitize import scrub_value
from aisecops_langchain.sealing import Sealer

PreparedEvent = tuple[str, bytes]
"""Id and JSON text of an event that is about to be written."""

_REMEMBERED_CALLS = 256


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
        self._calls: dict[tuple[str, str], RecordedCall] = {}
        self._texts = FrozenTexts()

    def reveal(self, entries: Collection[str]) -> None:
        """Let these values stand in the log from now on, and no others.

        Args:
            entries: ``tool.argument`` names.
        """
        self._reveal = frozenset(entries)
        self._calls.clear()

    def record(
        self, kind: type[Event], scope: Scope, *identity: str, parents: tuple[str, ...] = (), **fields: Any
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
        event = self.prepare(kind, scope, *identity, parents=parents, **fields)
        self._sink.append_lines((event,))
        return event[0]

    def prepare(
        self, kind: type[Event], scope: Scope, *identity: str, parents: tuple[str, ...] = (), **fields: Any
    ) -> PreparedEvent:
        """Make one event without writing it; the arguments are those of ``record``.

        Returns:
            Its id and its JSON text.

        Raises:
            AuditWriteError: If it has no JSON form.
            ClockError: If there is no time to give it.
        """
        tag = _tag(kind)
        event_id = event_identity(tag, scope.trace, *identity)
        own = {"id": event_id, "time": at(self._clock.now()), "parents": parents, **fields}
        try:
            where, what = self._texts.of(scope), orjson.dumps(own, default=self._fragment)
        except (orjson.JSONEncodeError, PydanticSerializationError) as error:
            raise AuditWriteError(
                "event has no JSON form", expected="valid Unicode", got=type(error).__name__
            ) from error
        return event_id, b'{"v":%d,"kind":"%s",%s,%s' % (SCHEMA_VERSION, tag.encode(), where[1:-1], what[1:])

    def write(self, events: Sequence[PreparedEvent]) -> None:
        """Write prepared events in order, in one go.

        Args:
            events: The events.

        Raises:
            AuditWriteError: If one of them could not be written.
        """
        self._sink.append_lines(events)

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
        known = self._calls.get((call_id, call.digest))
        if known is not None:  # the same call is recorded when it is planned and again when it is decided
            return known
        shown: dict[str, JsonValue] = {}
        complete = True
        for name, value in call.arguments().items():
            revealed = f"{call.tool}.{name}" in self._reveal
            shown[name], whole = scrub_value(name, value, reveal=revealed, commit=self._commitment)
            complete = complete and whole
        made = RecordedCall(call_id=call_id, tool=call.tool, digest=call.digest, arguments=shown, complete=complete)
        if len(self._calls) >= _REMEMBERED_CALLS:
            self._calls.clear()
        self._calls[call_id, call.digest] = made
        return made

    def _fragment(self, part: object) -> orjson.Fragment:
        """Serialise domain data inside an event; the schema's own types know their JSON form."""
        if isinstance(part, BaseModel):
            return orjson.Fragment(self._texts.of(part))
        raise TypeError

    def _commitment(self, value: str) -> str:
        return self._sealer.seal_bytes("commitment", value.encode("utf-8", "surrogatepass"))


def event_identity(tag: str, trace: str, *identity: str) -> str:
    """Name an event.

    Args:
        tag: Its kind.
        trace: The run it belongs to.
        *identity: What tells it from other events of its kind in the run.

    Returns:
        32 hexadecimal digits.
    """
    return digest_texts("event", tag, trace, *identity)[7:39]


@cache
def _tag(kind: type[Event]) -> str:
    return str(kind.model_fields["kind"].default)


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
