"""One sentence per event of content: what came in, what went out, and what memory held.

Invariant: as in ``wording``: every word that comes from the log is one printable line that log content cannot forge.
"""

from __future__ import annotations

from collections.abc import Iterable

from aisecops_langchain.domain.events import (
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    FindingRecord,
    MemoryBlocked,
    MemoryErased,
    MemoryRead,
    MemoryTampered,
    MemoryWritten,
    OutputAllowed,
    OutputBlocked,
    PromptAllowed,
    PromptBlocked,
)
from aisecops_langchain.forensics.text import name, names, said, short

_TAMPERED = {
    "unsealed": "its seal was cut off",
    "ungoverned": "nobody wrote it here",
    "seal": "its seal is not for what it says there",
    "stale": "it is an older value, or was erased",
}

_PARTICIPLE = {"read": "read", "write": "written", "erase": "erased"}

_Incoming = ContentAdmitted | ContentSanitized | ContentBlocked
ContentEvents = _Incoming | PromptAllowed | PromptBlocked | OutputAllowed | OutputBlocked
MemoryEvent = MemoryWritten | MemoryRead | MemoryErased | MemoryBlocked | MemoryTampered


def content_told(event: ContentEvents) -> str:
    """Tell one event of content on its way in or out.

    Args:
        event: The event.

    Returns:
        One printable sentence.
    """
    seen = _findings(event.findings)
    match event:
        case ContentAdmitted():
            return f"{_content(event)} was admitted unchanged{seen}"
        case ContentSanitized():
            return f"{_content(event)} was {names(event.actions) or 'changed'} before use{seen}"
        case ContentBlocked():
            return f"{_content(event)} was withheld{seen}{_because(event.reason)}"
        case PromptAllowed() | PromptBlocked():
            let = "let through" if isinstance(event, PromptAllowed) else "refused"
            why = "" if isinstance(event, PromptAllowed) else _because(event.reason)
            return f"The prompt of user {name(event.principal.user)} was {let}{seen}{why}"
        case OutputAllowed():
            whole = "" if event.complete else ", until nobody listened any more"
            done = f", {names(event.actions)}" if event.actions else ""
            return f"The answer was let out as {event.label.integrity}{whole}{done}{seen}"
        case OutputBlocked():
            return f"The answer was withheld{seen}{_because(event.reason)}"


def memory_told(event: MemoryEvent) -> str:
    """Tell one event of long-term memory.

    Args:
        event: The event.

    Returns:
        One printable sentence.
    """
    memory = f"Memory {short(event.memory)} of store {name(event.store)}"
    match event:
        case MemoryWritten():
            return f"{memory} was written as {event.label.integrity}{_done(event)}"
        case MemoryRead():
            return f"{memory} was read as {event.label.integrity}{_done(event)}"
        case MemoryErased():
            return f"{memory} was erased"
        case MemoryTampered():
            why = _TAMPERED.get(event.code, "")
            return f"{memory} was changed outside governance and withheld{f': {why}' if why else ''}"
        case MemoryBlocked():
            return f"{memory} was kept from being {_PARTICIPLE[event.access]}: {said(event.reason)}"


def _content(event: _Incoming) -> str:
    kind = event.source.kind.value.replace("_", " ").capitalize()
    beside = f", and {names(event.uninspected)} that nobody read" if event.uninspected else ""
    return f"{kind} {name(event.source.name)} ({event.label.integrity}, {event.size} characters{beside})"


def _because(reason: str) -> str:
    return f": {said(reason)}" if reason else ""


def _findings(findings: Iterable[FindingRecord]) -> str:
    seen = sorted({f"{item.category}/{item.severity}" for item in findings})
    return f"; found {names(seen)}" if seen else ""


def _done(event: MemoryWritten | MemoryRead) -> str:
    done = f", {names(event.actions)}" if event.actions else ""
    return f"{done}{_findings(event.findings)}"
