"""Sentences about long-term memory.

Invariant: every word that comes from the log went through ``text``.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.domain.events import (
    MemoryBlocked,
    MemoryErased,
    MemoryRead,
    MemoryTampered,
    MemoryWritten,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.phrases import because, findings
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.text import name, names, short

_TAMPERED: Final = {
    "unsealed": "its seal was cut off",
    "ungoverned": "nobody wrote it here",
    "seal": "its seal is not for what it says there",
    "stale": "it is an older value, or was erased",
}
_PARTICIPLE: Final = {"read": "read", "write": "written", "erase": "erased"}


@tell.register
def _(event: MemoryWritten, _: Calls) -> str:
    return f"{_memory(event)} was written as {event.label.integrity}{_done(event)}"


@tell.register
def _(event: MemoryRead, _: Calls) -> str:
    return f"{_memory(event)} was read as {event.label.integrity}{_done(event)}"


@tell.register
def _(event: MemoryErased, _: Calls) -> str:
    return f"{_memory(event)} was erased"


@tell.register
def _(event: MemoryTampered, _: Calls) -> str:
    return f"{_memory(event)} was changed outside governance and withheld{because(_TAMPERED.get(event.code, ''))}"


@tell.register
def _(event: MemoryBlocked, _: Calls) -> str:
    return f"{_memory(event)} was kept from being {_PARTICIPLE[event.access]}{because(event.reason)}"


def _memory(event: MemoryWritten | MemoryRead | MemoryErased | MemoryTampered | MemoryBlocked) -> str:
    return f"Memory {short(event.memory)} of store {name(event.store)}"


def _done(event: MemoryWritten | MemoryRead) -> str:
    done = f", {names(event.actions)}" if event.actions else ""
    return f"{done}{findings(event.findings)}"
