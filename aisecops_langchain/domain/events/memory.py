"""Events of long-term memory: what was written, read, erased, kept back, or found changed by somebody else.

Invariant: a memory is named by a keyed digest over its store, namespace and key, so that the log neither shows nor lets
guess what an application names its memories after; what a memory says is never recorded.
"""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event
from aisecops_langchain.domain.events.content import ContentEvent


class _Changed(ContentEvent):
    """What inspecting a memory did to it."""

    store: str
    memory: str
    """Names the memory: a keyed digest over store, namespace and key."""
    actions: tuple[str, ...] = ()
    """What was done to its texts: ``normalized``, ``cleaned``, ``quarantined``, ``redacted``."""
    clean_digest: str = ""
    """Digest of what was passed on, where that is not what came."""


class MemoryWritten(_Changed):
    """A memory was inspected and is about to be written, with the label of whatever led to it."""

    kind: Literal["memory_written"] = "memory_written"


class MemoryRead(_Changed):
    """A memory was recognised, inspected and passed on with the label that it was written with."""

    kind: Literal["memory_read"] = "memory_read"
    written: str = ""
    """Id of the event that recorded its writing; empty where it was written outside governance."""
    written_in: str = ""
    """Trace of that event."""


class MemoryErased(Event):
    """A memory was deleted."""

    kind: Literal["memory_erased"] = "memory_erased"
    store: str
    memory: str


class MemoryBlocked(Event):
    """A memory was not written, or not passed on: of what it says, or because of whose it is."""

    kind: Literal["memory_blocked"] = "memory_blocked"
    store: str
    memory: str
    access: Literal["read", "write", "erase"]
    reason: str


class MemoryTampered(Event):
    """A memory is not what was last written there; nothing of it was passed on."""

    kind: Literal["memory_tampered"] = "memory_tampered"
    store: str
    memory: str
    code: str
    """``unsealed``, ``ungoverned``, ``seal`` or ``stale``."""
