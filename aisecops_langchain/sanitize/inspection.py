"""Looking at one text: what detectors find in its readings, and what in it is not for readers.

Invariant: a text whose readings are incomplete, or that nests too deeply to be read, is reported as such with high
severity, so that what was not seen is never taken for clean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize.detect import Detector
from aisecops_langchain.sanitize.embedded import nests_too_deeply
from aisecops_langchain.sanitize.finding import Finding, Severity
from aisecops_langchain.sanitize.markup import unshown_parts
from aisecops_langchain.sanitize.normalize import Normalized, Removal, normalize
from aisecops_langchain.sanitize.readings import readings
from aisecops_langchain.sanitize.steps import same_span


class Inspected(NamedTuple):
    """One text after a look at it."""

    normalized: Normalized
    findings: tuple[Finding, ...]
    unshown: tuple[Removal, ...] = ()
    """Markup that is not to be passed on: comments, scripts, forms, hidden elements."""

    @property
    def removals(self) -> tuple[Removal, ...]:
        """Everything that is not passed on whatever it says, in order."""
        removals = self.normalized.removals
        return (
            tuple(sorted((*removals, *self.unshown), key=lambda removal: removal.start)) if self.unshown else removals
        )


def inspect_text(text: str, channel: SourceKind, detectors: Sequence[Detector], *, cut_markup: bool) -> Inspected:
    """Look at one text.

    Args:
        text: Any string within the limits of size.
        channel: The door that it came through.
        detectors: What looks at its readings.
        cut_markup: Whether markup that readers do not see is taken out.

    Returns:
        What was found.
    """
    normalized = normalize(text)
    read = readings(normalized)
    findings = [finding for detector in detectors for finding in detector.scan(read.views, channel)]
    if not read.complete:
        findings.append(structural("unread", len(text)))
    if nests_too_deeply(normalized.text):
        findings.append(structural("depth", len(text)))
    unreadable = ("<" not in text and "]:" not in text) or not read.complete
    return Inspected(normalized, tuple(findings), () if unreadable or not cut_markup else _unshown(normalized))


def is_all_shown(text: str, *, cut_markup: bool) -> bool:
    """Tell whether nothing in a text is hidden from readers by its form.

    Args:
        text: Any text.
        cut_markup: Whether markup that readers do not see counts.

    Returns:
        Whether all of it would be passed on if nothing in it were found.
    """
    normalized = normalize(text)
    return normalized.text == text and not (cut_markup and _unshown(normalized)) and not nests_too_deeply(text)


def structural(rule: str, end: int = 0) -> Finding:
    """Report something about a text as a whole.

    Args:
        rule: What it is.
        end: Length of the text.

    Returns:
        The finding.
    """
    return Finding(rule, "structure", Severity.HIGH, 0, end, "text")


def _unshown(normalized: Normalized) -> tuple[Removal, ...]:
    parts = unshown_parts(normalized.text)
    locate = normalized.way_back() if parts else same_span
    return tuple(Removal(part.kind, *locate(part.start, part.end)) for part in parts)
