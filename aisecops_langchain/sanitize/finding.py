"""What a detector reports.

Invariant: a finding says which rule matched, where, and in which reading; offsets count characters of the raw text,
whatever reading of it the rule matched. Of the text itself it shows at most a short excerpt of what was decoded, since
nobody could find that by looking at the offsets; an excerpt that holds secrets or personal data does not reach events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aisecops_langchain.domain.events.base import FindingRecord
from aisecops_langchain.sanitize.recognizers import sensitive_kind

MAX_EXCERPT: Final = 120
"""Characters of the longest excerpt."""


class Severity(StrEnum):
    """How sure it is that the text tries to instruct the model, and how bad it would be."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Finding:
    """One match of one rule."""

    rule: str
    category: str
    severity: Severity
    start: int
    """Offset of the first character in the raw text."""
    end: int
    """Offset behind the last character in the raw text."""
    view: str
    """The reading that matched: ``text``, ``normalized``, ``hidden`` or ``decoded``."""
    steps: tuple[str, ...] = ()
    """How that reading was made from the raw text, step by step."""
    excerpt: str = ""
    """What matched, where it was decoded: at most ``MAX_EXCERPT`` characters."""

    def record(self) -> FindingRecord:
        """Return the finding in the form that events carry.

        Returns:
            The record, its excerpt withheld if it would give something away.
        """
        kind = sensitive_kind(self.excerpt) if self.excerpt else None
        return FindingRecord(
            rule=self.rule,
            category=self.category,
            severity=self.severity.value,
            start=self.start,
            end=self.end,
            view=self.view,
            decoded_by=self.steps,
            excerpt=self.excerpt if kind is None else f"[withheld: {kind}]",
        )


def detector_failed(detector: str, reason: str) -> Finding:
    """Report that a detector could not judge a text.

    Args:
        detector: Which one.
        reason: Why, in a word or two; nothing of the text.

    Returns:
        A finding of high severity without a span, so that policy decides what becomes of the text.
    """
    return Finding(f"detector-failed:{detector}:{reason}", "detector", Severity.HIGH, 0, 0, "text")
