"""Detecting: which rules match which reading of a text, and where.

Invariant: a detector only reports; it changes nothing and raises on nothing that a text may hold. Every match in any
reading comes back as offsets into the raw text. What is hidden from readers and still matches is of high severity.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Final, Protocol

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.finding import MAX_EXCERPT, Finding, Severity
from aisecops_langchain.sanitize.fold import without_twins
from aisecops_langchain.sanitize.pattern_fold import heeds_marks
from aisecops_langchain.sanitize.pattern_set import PatternSet
from aisecops_langchain.sanitize.patterns import Match, Pattern, compile_pattern
from aisecops_langchain.sanitize.rules import Rule
from aisecops_langchain.sanitize.squeeze import squeeze_pattern
from aisecops_langchain.sanitize.view import View
from aisecops_langchain.sanitize.word_index import WordIndex

_MAX_SPANS: Final = 50
"""Matches of one pattern that are located in one reading."""

_MAX_FINDINGS: Final = 200
"""Findings of one text that are kept apart; whatever is beyond is found again when the cut text is inspected."""

_LONG: Final = 32_768
_PART: Final = 16_384
_MARGIN: Final = 4_096
"""Characters of a long text that are looked at with a part of it, on both sides: no match there is longer."""

_HIDDEN_LETTERS: Final = 4
"""Fewer hidden characters than this spell no instruction."""


MORE: Final = Finding("more", "structure", Severity.LOW, 0, 0, "text")
"""Says that there are matches which are not located."""


class Detector(Protocol):
    """Anything that can look at the readings of a text and report what it sees.

    One may have an attribute ``is_pure`` that is true, if its report depends on the readings and the door alone, and
    names every match, or ends with ``MORE``. If all detectors of a sanitizer are pure, a clean text is not inspected
    twice, and a long text of which something was cut is inspected near the cuts only.
    """

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

    is_pure: Final = True

    def __init__(self, rules: Sequence[Rule]) -> None:
        if not rules:
            raise ConfigurationError("a detector without rules finds nothing", expected="at least one rule")
        if len({rule.id for rule in rules}) != len(rules):
            raise ConfigurationError("two rules share an id", expected="ids that are unique across packs")
        self._patterns = [(rule, source) for rule in rules for source in rule.sources()]
        self._spaced = _Matcher(self._patterns)

    @cached_property
    def _marked(self) -> _Matcher:
        """Patterns that heed marks of emphasis, for texts of which all else is looked at without the marks."""
        return _Matcher([(rule, source) for rule, source in self._patterns if heeds_marks(source)])

    @cached_property
    def _squeezed(self) -> _Matcher:
        """Made when it is first needed, which for many processes is never."""
        return _Squeezed(self._patterns)

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:
        """Inspect one text; see ``Detector.scan``."""
        findings: list[Finding] = []
        for view in views:
            for rule, pattern in self._matcher(view).hits(view.text, channel):
                self._locate(view, rule, pattern, findings)
        return findings

    def _matcher(self, view: View) -> _Matcher:
        if view.folded_beside:
            return self._marked
        return self._squeezed if view.squeezed else self._spaced

    def _locate(self, view: View, rule: Rule, pattern: Pattern, findings: list[Finding]) -> None:
        for count, match in enumerate(pattern.finditer(view.text)):
            if count == _MAX_SPANS or len(findings) >= _MAX_FINDINGS:
                if MORE not in findings:
                    findings.append(MORE)
                return
            finding = _finding(rule, view, match)
            if not any(_same(finding, other) for other in findings):
                findings.append(finding)


class _Matcher:
    """Patterns one by one, and all of them at once."""

    def __init__(self, patterns: Sequence[tuple[Rule, str]]) -> None:
        self._patterns = patterns

    @cached_property
    def _set(self) -> PatternSet:
        return PatternSet([source for _, source in self._patterns])

    def hits(self, text: str, channel: SourceKind) -> list[tuple[Rule, Pattern]]:
        """Return the patterns that match, and whose they are."""
        text = without_twins(text)
        found = self._hits(text, channel) if len(text) <= _LONG else self._hits_by_parts(text, channel)
        return [(rule, compile_pattern(source)) for rule, source in map(self._patterns.__getitem__, sorted(found))]

    def _hits_by_parts(self, text: str, channel: SourceKind) -> set[int]:
        """Look at a long text part by part, since each pattern is likely in a few of them only."""
        found: set[int] = set()
        for start in range(0, len(text), _PART):
            part = text[max(0, start - _MARGIN) : start + _PART + _MARGIN]
            found |= self._hits(part, channel, found)
        return found

    def _hits(self, text: str, channel: SourceKind, known: Collection[int] = ()) -> set[int]:
        """Name the patterns that match, but for known ones; each is compiled when it is first tried."""
        encoded = text.encode()
        return {
            index
            for index in self._likely(text, encoded)
            if index not in known
            and self._patterns[index][0].watches(channel)
            and compile_pattern(self._patterns[index][1]).search(encoded) is not None
        }

    def _likely(self, text: str, encoded: bytes) -> list[int]:  # noqa: ARG002 - some need it
        return self._set.hits(encoded)


class _Squeezed(_Matcher):
    """The same for letters that run into each other, of which most texts hold few.

    Squeezed patterns need the words of those that they were made from, which are without white space. Automata over
    all of them would take longer to make than most processes ever look at such letters.
    """

    def __init__(self, patterns: Sequence[tuple[Rule, str]]) -> None:
        super().__init__([(rule, squeeze_pattern(source)) for rule, source in patterns])
        self._index = WordIndex([source for _, source in patterns])
        self._others = PatternSet([self._patterns[index][1] for index in self._index.unknown])

    def _likely(self, text: str, encoded: bytes) -> list[int]:
        return self._index.hits(text) + [self._index.unknown[index] for index in self._others.hits(encoded)]


class HiddenTextDetector:
    """Reports that a text carries letters that no reader sees, whatever they say."""

    is_pure: Final = True

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:  # noqa: ARG002 - any channel
        """Inspect one text; see ``Detector.scan``."""
        for view in views:
            if view.steps == ("smuggled",) and len(view.text) >= _HIDDEN_LETTERS:
                start, end = view.span(0, len(view.text))
                excerpt = view.text[:MAX_EXCERPT]
                return [Finding("hidden-text", "hidden", Severity.MEDIUM, start, end, view.name, view.steps, excerpt)]
        return []


def _finding(rule: Rule, view: View, match: Match) -> Finding:
    severity = Severity.HIGH if view.name == "hidden" else rule.severity
    start, end = view.span(match.start(), match.end())
    excerpt = match.group()[:MAX_EXCERPT] if view.steps else ""
    return Finding(rule.id, rule.category, severity, start, end, view.name, view.steps, excerpt)


def _same(finding: Finding, other: Finding) -> bool:
    """Tell whether two readings show the same match; the plainer reading is scanned first and keeps it."""
    overlap = finding.start < other.end and other.start < finding.end
    return overlap and finding.rule == other.rule and (finding.view == "hidden") == (other.view == "hidden")
