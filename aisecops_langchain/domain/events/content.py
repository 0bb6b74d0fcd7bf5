"""Events of content on its way to the model and out again; content itself is never recorded, only its digest."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event, FindingRecord, RemovalRecord
from aisecops_langchain.domain.labels import Label, Source


class ContentEvent(Event):
    """What all content events say."""

    source: Source
    label: Label
    size: int
    """Length of the raw content in characters."""
    findings: tuple[FindingRecord, ...] = ()
    uninspected: tuple[str, ...] = ()
    """Types of what came along and cannot be read as text, such as ``image``: it passed as it was."""
    removals: tuple[RemovalRecord, ...] = ()
    """What was not passed on whatever it said, in order; the first of very many."""
    kept: bool = False
    """Whether the raw content was kept in quarantine, under the digest of the source."""


class ContentAdmitted(ContentEvent):
    """Content was inspected and passed on unchanged."""

    kind: Literal["content_admitted"] = "content_admitted"


class ContentSanitized(ContentEvent):
    """Content was changed before it was passed on."""

    kind: Literal["content_sanitized"] = "content_sanitized"
    clean_digest: str
    """Digest of what was passed on."""
    actions: tuple[str, ...]
    """What was done: ``normalized``, ``cleaned``, ``quarantined``, ``redacted``."""


class ContentBlocked(ContentEvent):
    """Content was withheld whole."""

    kind: Literal["content_blocked"] = "content_blocked"
    reason: str


class MarkRepeated(Event):
    """Untrusted content holds the mark that sets such content apart in this run: who wrote it has seen the mark."""

    kind: Literal["mark_repeated"] = "mark_repeated"
    content: str
    """Digest of the content."""
    size: int
    """Its length in characters."""


class PromptAllowed(ContentEvent):
    """A user's prompt was let through to the model."""

    kind: Literal["prompt_allowed"] = "prompt_allowed"


class PromptBlocked(ContentEvent):
    """A user's prompt was refused."""

    kind: Literal["prompt_blocked"] = "prompt_blocked"
    reason: str


class OutputAllowed(ContentEvent):
    """The model's final words were let out."""

    kind: Literal["output_allowed"] = "output_allowed"
    clean_digest: str = ""
    """Digest of what was let out, if anything was changed."""
    actions: tuple[str, ...] = ()
    """What was done: as in ``content_sanitized``."""
    complete: bool = True
    """Whether they were let out to their end, and not only until nobody listened any more."""


class OutputBlocked(ContentEvent):
    """The model's final words were withheld."""

    kind: Literal["output_blocked"] = "output_blocked"
    reason: str
