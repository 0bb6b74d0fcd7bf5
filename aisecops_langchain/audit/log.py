"""The audit log as its writer sees it: append, commit, close.

Invariant: ``append`` returns only when the whole event is in the chain, and ``commit`` only when it is as durable as
the chosen mode promises; anything else raises, and whatever the event was to permit must not happen. One instance
writes one segment and belongs to the process that opened it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self, get_args

from pydantic_core import PydanticSerializationError

from aisecops_langchain.audit.group import GroupCommit
from aisecops_langchain.audit.heads import HeadSigner
from aisecops_langchain.audit.layout import to_datetime
from aisecops_langchain.audit.lines import MAX_EVENT_BYTES
from aisecops_langchain.audit.opening import OpenSegment, open_segment
from aisecops_langchain.audit.records import ExpectedHead, SegmentClosed, record_body
from aisecops_langchain.audit.sidecar import Sidecar
from aisecops_langchain.domain.events import AnyEvent, Event
from aisecops_langchain.errors import AuditWriteError, ConfigurationError

REMEMBERED_IDS: Final = 50_000
"""How many event ids a writer remembers, so that a node which runs twice is recorded once."""

_EVENT_TYPES: Final = frozenset(get_args(get_args(AnyEvent)[0]))
_RESERVED: Final = frozenset({"seq", "prev"})


class Durability(StrEnum):
    """What ``commit`` promises to survive."""

    NONE = "none"
    """The end of this process, not a loss of power."""
    GROUP = "group"
    """A loss of power; callers that commit at the same time share one sync."""
    SYNC = "sync"
    """A loss of power, from ``append`` on."""


class Receipt(NamedTuple):
    """Proof that an event is in the chain."""

    segment: str
    seq: int
    event_id: str
    hash: str
    """Hash of the line."""
    duplicate: bool = False
    """Whether it was there already; the other fields then describe the earlier line."""


class AuditLog:
    """One writer of an audit log, safe to share between threads; use ``AuditLog.open``."""

    def __init__(
        self,
        files: OpenSegment,
        *,
        signer: HeadSigner,
        durability: Durability,
        clock: Callable[[], int],
        max_event_bytes: int,
    ) -> None:
        self._segment, self._lines = files.name, files.lines
        self._heads = Sidecar(files.name, files.heads, signer)
        self._durability = durability
        self._clock = clock
        self._max_event_bytes = max_event_bytes
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._group = GroupCommit(self._sync_and_sign)
        self._recent: OrderedDict[str, tuple[int, str]] = OrderedDict()
        """Line number and hash by event id, oldest first."""
        self._closed = False

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        key: bytes,
        durability: Durability | str = Durability.GROUP,
        clock: Callable[[], int] = time.time_ns,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> Self:
        """Begin a new segment in a log directory, after recovering what earlier writers left.

        Args:
            directory: The log directory; made if missing.
            key: Ed25519 seed, 32 bytes, as in a key file.
            durability: What ``commit`` promises.
            clock: Nanoseconds since the Unix epoch.
            max_event_bytes: Larger events are refused; at most the default.

        Returns:
            The open log; close it, or use it as a context manager.

        Raises:
            AuditWriteError: If the directory cannot be used.
            KeyStoreError: If the key is not 32 bytes.
            ConfigurationError: If there is no such durability.
        """
        mode = _durability(durability)
        signer = HeadSigner(key)
        log = cls(
            open_segment(directory, signer, clock()),
            signer=signer,
            durability=mode,
            clock=clock,
            max_event_bytes=min(max_event_bytes, MAX_EVENT_BYTES),
        )
        try:
            log._heads.sign(log._lines.tip, clock())
            if mode is not Durability.NONE:
                log._heads.sync()  # so that even a crash cannot look like a segment that nobody ever signed
        except BaseException:
            log._release()
            raise
        return log

    @property
    def segment(self) -> str:
        """Name of the segment that this log writes."""
        return self._segment

    @property
    def sync_count(self) -> int:
        """How many syncs of the segment were asked of the system so far."""
        return self._lines.sync_count

    def append(self, event: Event) -> Receipt:
        """Write an event, once.

        Args:
            event: Any event of the schema.

        Returns:
            Where it stands; for an id that was written recently, where it already stood.

        Raises:
            AuditWriteError: If the event is not wholly in the log, or no head can be signed any more.
        """
        body = self._serialize(event)
        with self._lock:
            new = self._append([(event.id, body)])
            seq, head = self._recent[event.id]
        return Receipt(self._segment, seq, event.id, head, duplicate=not new)

    def append_lines(self, events: Sequence[tuple[str, bytes]]) -> None:
        """Write events that their recorder has serialised already, each once and all in one write.

        Args:
            events: For each its id and its JSON object: UTF-8, one line, without ``seq`` and ``prev``. An id that was
                written recently is not written again.

        Raises:
            AuditWriteError: If one of them is not wholly in the log, or no head can be signed any more.
        """
        with self._lock:
            self._append(events)

    def commit(self, upto: Receipt | None = None) -> None:
        """Make events as durable as the mode promises.

        Args:
            upto: The last event that matters; all so far if not given.

        Raises:
            AuditWriteError: If that cannot be promised; the log is unusable after a failed sync.
        """
        self._require_own_process()
        if upto is not None and upto.segment != self._segment:
            raise AuditWriteError("receipt is of another segment", expected=self._segment, got=upto.segment)
        if self._durability is Durability.GROUP:
            self._group.reach(self._lines.tip.lines - 1 if upto is None else upto.seq)

    def sign_head(self) -> ExpectedHead:
        """Sign the present end of the segment.

        Returns:
            That end; kept elsewhere, it lets a verifier notice that the log was cut.

        Raises:
            AuditWriteError: If the head cannot be written.
        """
        self._require_own_process()
        with self._lock:
            self._require_open()
            tip = self._lines.tip
            self._heads.sign(tip, self._clock())
        return ExpectedHead(segment=self._segment, seq=tip.lines - 1, head=tip.head)

    def close(self) -> None:
        """End the segment: head, closing record, head over it, sync, lock released. A second call does nothing.

        Raises:
            AuditWriteError: If any of that failed; the files are given back all the same.
        """
        self._require_own_process()
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with ExitStack() as last:
            last.callback(self._release)
            last.callback(self._make_durable)  # also when the closing record could not be written
            with self._lock:
                now = self._clock()
                self._heads.sign(self._lines.tip, now)  # so that a kill leaves no more than the next line unsigned
                record = SegmentClosed(segment=self._segment, time=to_datetime(now))
                self._lines.extend([record_body(record)])
                self._heads.sign(self._lines.tip, now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serialize(self, event: Event) -> bytes:
        if type(event) not in _EVENT_TYPES:
            raise AuditWriteError(
                "event is of no known kind", expected="a type of the schema", got=type(event).__name__
            )
        if event.model_extra and not _RESERVED.isdisjoint(event.model_extra):
            raise AuditWriteError(
                "event uses a name of the log", expected="no field called seq or prev", got=event.kind
            )
        try:
            body = event.__pydantic_serializer__.to_json(event)
        except (PydanticSerializationError, ValueError) as error:
            raise AuditWriteError("event has no JSON form", expected="JSON values", got=type(error).__name__) from error
        return body

    def _append(self, events: Sequence[tuple[str, bytes]]) -> bool:
        """Write what is new among the events; tells whether anything was."""
        now = self._clock()
        self._require_own_process()
        self._require_open()
        self._lines.require_sound()
        self._heads.settle(self._lines.tip, now)
        new: dict[str, bytes] = {}
        for event_id, body in events:
            if event_id in self._recent:
                self._recent.move_to_end(event_id)
            else:
                new[event_id] = body
        if not new:
            return False
        for body in new.values():
            self._require_size(body)
        seq = self._lines.tip.lines
        heads = self._lines.extend(new.values())
        for place, event_id in enumerate(new):
            self._recent[event_id] = (seq + place, heads[place])
        while len(self._recent) > REMEMBERED_IDS:
            self._recent.popitem(last=False)
        if self._durability is Durability.SYNC:
            self._lines.sync()
        self._heads.sign_if_due(self._lines.tip, now)
        return True

    def _require_size(self, body: bytes) -> None:
        if len(body) > self._max_event_bytes:
            raise AuditWriteError(
                "event is too large",
                expected=f"at most {self._max_event_bytes} bytes",
                got=f"{len(body)} bytes",
                remedy="record a digest instead of the content",
            )

    def _sync_and_sign(self) -> int:
        tip = self._lines.tip
        self._lines.sync()
        with self._lock:
            self._heads.sign(tip, self._clock())
        return tip.lines - 1

    def _make_durable(self) -> None:
        if self._durability is Durability.GROUP:
            self._group.reach(self._lines.tip.lines - 1)
        if self._durability is Durability.SYNC:
            self._lines.sync()
        if self._durability is not Durability.NONE:
            self._heads.sync()  # a closed segment whose last head is lost looks like a forged ending

    def _release(self) -> None:
        self._lines.close()
        self._heads.close()

    def _require_open(self) -> None:
        if self._closed:
            raise AuditWriteError("audit log is closed", expected="an open log", got="closed", remedy="open a new one")

    def _require_own_process(self) -> None:
        if os.getpid() != self._process:
            raise AuditWriteError(
                "audit log was opened before this process was forked",
                expected="the process that opened it",
                got="a forked child",
                remedy="open a log of its own in each process; they may share the directory",
            )


def _durability(name: str) -> Durability:
    try:
        return Durability(name)
    except ValueError:
        raise ConfigurationError(
            "no such durability of the audit log", expected=", ".join(Durability), got=repr(name)
        ) from None
