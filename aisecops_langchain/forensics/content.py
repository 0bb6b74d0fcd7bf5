"""What content reached a run, how far it was trusted, and what detectors saw in it.

Invariant: content is counted by the label and door that were recorded; nothing is relabelled here.
"""

from __future__ import annotations

from collections import Counter

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import (
    AnyEvent,
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    MemoryRead,
    MemoryWritten,
    OutputAllowed,
    OutputBlocked,
    PromptAllowed,
    PromptBlocked,
)
from aisecops_langchain.domain.labels import Integrity, SourceKind
from aisecops_langchain.forensics.trace import Trace

_WITHHELD = (ContentBlocked, PromptBlocked)
_INCOMING = (ContentAdmitted, PromptAllowed, MemoryRead, ContentSanitized, *_WITHHELD)
_INSPECTED = (*_INCOMING, MemoryWritten, OutputAllowed, OutputBlocked)


class SourceCount(Frozen):
    """Content of one trust level that came through one door."""

    integrity: Integrity
    kind: SourceKind
    admitted: int
    sanitized: int
    blocked: int


class FindingCount(Frozen):
    """Findings of one category and severity."""

    category: str
    severity: str
    count: int


def _is_unchanged(event: AnyEvent) -> bool:
    return isinstance(event, ContentAdmitted | PromptAllowed) or (isinstance(event, MemoryRead) and not event.actions)


def sources_of(trace: Trace) -> tuple[SourceCount, ...]:
    """Count incoming content.

    Args:
        trace: The trace.

    Returns:
        Counts by integrity, the least trusted first, then by kind.
    """
    incoming = [event for event in trace.events if isinstance(event, _INCOMING)]
    counts = Counter(
        (event.label.integrity, event.source.kind, _is_unchanged(event), isinstance(event, _WITHHELD))
        for event in incoming
    )
    groups = {(integrity, kind) for integrity, kind, _, _ in counts}
    return tuple(
        SourceCount(
            integrity=integrity,
            kind=kind,
            admitted=counts[integrity, kind, True, False],
            sanitized=counts[integrity, kind, False, False],
            blocked=counts[integrity, kind, False, True],
        )
        for integrity, kind in sorted(groups, key=lambda group: (group[0].rank, group[1]))
    )


def findings_of(trace: Trace) -> tuple[FindingCount, ...]:
    """Count findings in all inspected content, outputs included.

    Args:
        trace: The trace.

    Returns:
        Counts by category and severity, sorted.
    """
    counts = Counter(
        (finding.category, finding.severity)
        for event in trace.events
        if isinstance(event, _INSPECTED)
        for finding in event.findings
    )
    return tuple(
        FindingCount(category=category, severity=severity, count=count)
        for (category, severity), count in sorted(counts.items())
    )
