"""One sentence per event of content: what came in, what went out, and what memory held.

Invariant: as in ``wording``: every word that comes from the log is one printable line that log content cannot forge.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import (
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
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
from aisecops_langchain.forensics.phrases import because, content, findings
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
    seen = findings(event.findings)
    match event:
        case ContentAdmitted():
            return f"{content(event)} was admitted unchanged{seen}"
        case ContentSanitized():
            return f"{content(event)} was {names(event.actions) or 'changed'} before use{seen}"
        case ContentBlocked():
            return f"{content(event)} was withheld{seen}{because(event.reason)}"
        case PromptAllowed() | PromptBlocked():
            let = "let through" if isinstance(event, PromptAllowed) else "refused"
            why = "" if isinstance(event, PromptAllowed) else because(event.reason)
            return f"The prompt of user {name(event.principal.user)} was {let}{seen}{why}"
        case OutputAllowed():
            whole = "" if event.complete else ", until nobody listened any more"
            done = f", {names(event.actions)}" if event.actions else ""
            return f"The answer was let out as {event.label.integrity}{whole}{done}{seen}"
        case OutputBlocked():
            return f"The answer was withheld{seen}{because(event.reason)}"


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


def _done(event: MemoryWritten | MemoryRead) -> str:
    done = f", {names(event.actions)}" if event.actions else ""
    return f"{done}{findings(event.findings)}"
