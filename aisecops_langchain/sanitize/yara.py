"""Rules in YARA's language, run by YARA-X, behind the same protocol as the packs; needs the extra ``yara``.

Invariant: a scan that fails or runs out of time is a finding of high severity, so that policy decides what becomes of
the text; it never counts as clean. Rules cannot include other files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.finding import Finding, Severity, detector_failed
from aisecops_langchain.sanitize.view import View

if TYPE_CHECKING:
    import yara_x

_ENDINGS: Final = frozenset({".yar", ".yara"})
_MAX_SPANS: Final = 50
"""Matches of one rule that are located in one reading."""


class YaraDetector:
    """Finds what YARA rules match, in every reading of a text.

    A rule may say in its metadata what is made of a match: ``severity`` (``low``, ``medium``, ``high``; medium
    without), ``category`` (``yara`` without) and ``channels`` (names of doors, separated by commas; all without).

    Args:
        path: A file of rules, or a folder with ``*.yar`` and ``*.yara`` files.
        timeout: Seconds that the scan of one reading may take, at least 1.

    Raises:
        ConfigurationError: If YARA-X is not installed, or the rules cannot be read, do not compile or carry metadata
            that is not as described.
    """

    def __init__(self, path: Path, *, timeout: int = 2) -> None:
        self._rules = _compiled(path)
        self._timeout = timeout
        for name, metadata in _rules_of(self._rules):
            _described(name, metadata)  # refused here rather than when it first matches

    def scan(self, views: Sequence[View], channel: SourceKind) -> list[Finding]:
        """Inspect one text; see ``Detector.scan``."""
        import yara_x  # noqa: PLC0415 - an extra

        scanner = yara_x.Scanner(self._rules)  # one for each text: it may not be shared between threads
        scanner.set_timeout(self._timeout)
        findings: list[Finding] = []
        for view in views:
            data = view.text.encode("utf-8", "replace")
            try:
                matching = scanner.scan(data).matching_rules
            except (yara_x.TimeoutError, yara_x.ScanError) as error:
                return [*findings, detector_failed("yara", type(error).__name__)]
            for rule in matching:
                new = [finding for finding in _findings(rule, view, data, channel) if not _is_known(finding, findings)]
                findings += new
        return findings


def _findings(rule: yara_x.Rule, view: View, data: bytes, channel: SourceKind) -> Iterator[Finding]:
    severity, category, channels = _described(rule.identifier, rule.metadata)
    if channels and channel not in channels:
        return
    for start, end in _spans(rule, data):
        first, last = view.span(start, end)
        worst = Severity.HIGH if view.name == "hidden" else severity
        yield Finding(f"yara:{rule.identifier}", category, worst, first, last, view.name)


def _is_known(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Tell whether a plainer reading showed the same match."""
    return any(
        finding.rule == other.rule and finding.start < other.end and other.start < finding.end for other in findings
    )


def _spans(rule: yara_x.Rule, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a rule matched, in characters; the whole text where it matched by its condition alone."""
    places = sorted((match.offset, match.length) for pattern in rule.patterns for match in pattern.matches)
    places = [(offset, length) for offset, length in places if length][:_MAX_SPANS] or [(0, len(data))]
    for offset, length in places:
        start = len(data[:offset].decode("utf-8", "ignore"))
        inside = len(data[offset : offset + length].decode("utf-8", "ignore"))
        yield start, start + max(inside, 1)


def _compiled(path: Path) -> yara_x.Rules:
    try:
        import yara_x  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "YARA-X is not installed", expected="yara-x", remedy="pip install 'aisecops-langchain[yara]'"
        ) from error
    files = sorted(file for file in path.iterdir() if file.suffix in _ENDINGS) if path.is_dir() else [path]
    if not files:
        raise ConfigurationError(f"there are no YARA rules in {path.name}", expected="*.yar or *.yara files")
    compiler = yara_x.Compiler()
    compiler.enable_includes(False)  # noqa: FBT003 - YARA-X takes it so
    for file in files:
        try:
            compiler.add_source(file.read_text(encoding="utf-8"), origin=file.name)
        except (OSError, UnicodeDecodeError, yara_x.CompileError) as error:
            fault = str(error) if isinstance(error, yara_x.CompileError) else type(error).__name__
            raise ConfigurationError(f"YARA rules {file.name} cannot be used", got=fault) from error
    return compiler.build()


def _rules_of(rules: yara_x.Rules) -> Iterator[tuple[str, Sequence[tuple[str, object]]]]:
    for rule in rules:
        yield rule.identifier, rule.metadata


def _described(name: str, metadata: Sequence[tuple[str, object]]) -> tuple[Severity, str, frozenset[SourceKind]]:
    values = dict(metadata)
    doors = [door.strip() for door in str(values.get("channels", "")).split(",") if door.strip()]
    try:
        severity = Severity(str(values.get("severity", Severity.MEDIUM)))
        channels = frozenset(SourceKind(door) for door in doors)
    except ValueError as error:
        raise ConfigurationError(f"YARA rule {name} carries metadata that is not known", got=str(error)) from error
    return severity, str(values.get("category", "yara")), channels
