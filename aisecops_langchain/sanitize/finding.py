"""What a detector reports.

Invariant: a finding says which rule matched and where, never what the text was; offsets count characters of the raw
text, whatever reading of it the rule matched.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aisecops_langchain.domain.events.base import FindingRecord


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
    """The reading that matched: ``text``, ``normalized``, ``hidden`` or ``nested`` (JSON inside the text)."""

    def record(self) -> FindingRecord:
        """Return the finding in the form that events carry.

        Returns:
            The record.
        """
        return FindingRecord(
            rule=self.rule,
            category=self.category,
            severity=self.severity.value,
            start=self.start,
            end=self.end,
            view=self.view,
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
