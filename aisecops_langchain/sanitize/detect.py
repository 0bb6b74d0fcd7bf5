"""Detecting: which rules match which reading of a text, and where.

Invariant: a detector only reports; it changes nothing and raises on nothing that a text may hold. Every match in any
reading comes back as offsets into the raw text. What is hidden from readers and still matches is of high severity.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final, Protocol

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.finding import Finding, Severity
from aisecops_langchain.sanitize.normalize import View
from aisecops_langchain.sanitize.patterns import PatternSet, compile_pattern
from aisecops_langchain.sanitize.rules import Rule

_MAX_SPANS: Final = 50
"""Matches of one pattern that are located in one reading; the pipeline withholds a text that holds more."""

_HIDDEN_LETTERS: Final = 4
"""Fewer hidden characters than this spell no instruction."""


class Detector(Protocol):
    """Anything that can look at the readings of a text and report what it sees."""

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:
        """Inspect one text.

        Args:
            views: Its readings.
            channel: The door that it came through.

        Returns:
            What was found, with offsets into the raw text.
        """
        ...


class RuleDetector:
    """Finds the rules of one or more packs: all patterns in one pass, spans only for those that hit.

    Args:
        rules: The rules; ids must be unique across packs.

    Raises:
        ConfigurationError: If two rules share an id, or there are none.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        if not rules:
            raise ConfigurationError("a detector without rules finds nothing", expected="at least one rule")
        if len({rule.id for rule in rules}) != len(rules):
            raise ConfigurationError("two rules share an id", expected="ids that are unique across packs")
        sources = [(rule, source) for rule in rules for source in rule.sources()]
        self._patterns = [(rule, compile_pattern(source)) for rule, source in sources]
        self._prefilter = PatternSet([source for _, source in sources])

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:
        """Inspect one text; see ``Detector.scan``."""
        findings: list[Finding] = []
        for view in views:
            hits = self._prefilter.hits(view.text)
            if hits:
                self._locate(view, hits, channel, findings)
        return findings

    def _locate(self, view: View, hits: list[int], channel: SourceKind, findings: list[Finding]) -> None:
        positions: Sequence[int] | None = None
        for index in hits:
            rule, pattern = self._patterns[index]
            if rule.channels is not None and channel not in rule.channels:
                continue
            for match in islice(pattern.finditer(view.text), _MAX_SPANS):
                positions = view.positions() if positions is None else positions
                finding = _finding(rule, view.name, positions[match.start()], positions[match.end() - 1] + 1)
                if not any(_same(finding, other) for other in findings):
                    findings.append(finding)


class HiddenTextDetector:
    """Reports that a text carries hidden letters at all, whatever they say."""

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:  # noqa: ARG002 - any channel
        """Inspect one text; see ``Detector.scan``."""
        for view in views:
            if view.name == "hidden" and len(view.text) >= _HIDDEN_LETTERS:
                positions = view.positions()
                return [Finding("hidden-text", "hidden", Severity.MEDIUM, positions[0], positions[-1] + 1, view.name)]
        return []


def _finding(rule: Rule, view: str, start: int, end: int) -> Finding:
    severity = Severity.HIGH if view == "hidden" else rule.severity
    return Finding(rule.id, rule.category, severity, start, end, view)


def _same(finding: Finding, other: Finding) -> bool:
    """Tell whether two readings show the same match; the plainer reading is scanned first and keeps it."""
    overlap = finding.start < other.end and other.start < finding.end
    return overlap and finding.rule == other.rule and (finding.view == "hidden") == (other.view == "hidden")
