"""The sanitizer: from raw content to what may reach the model.

Invariant: nothing is passed on that was not inspected whole; what cannot be inspected is withheld. What is passed on is
a fixed point: sanitizing it again changes nothing. Cutting or redacting a span never assembles a new match unseen,
because changed text is inspected once more and withheld if anything shows.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import JsonValue

from aisecops_langchain.canonical import digest_bytes, digest_text
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import SanitizeError
from aisecops_langchain.sanitize.config import PASS_ALL, Action, SanitizeConfig
from aisecops_langchain.sanitize.detect import Detector, HiddenTextDetector, RuleDetector
from aisecops_langchain.sanitize.finding import Finding, Severity
from aisecops_langchain.sanitize.inspection import Inspected, inspect_text, structural
from aisecops_langchain.sanitize.normalize import Removal, normalize
from aisecops_langchain.sanitize.pii import PiiRedactor
from aisecops_langchain.sanitize.rules import core_rules
from aisecops_langchain.sanitize.structure import STRUCTURE_RULES
from aisecops_langchain.sanitize.values import (
    KeyCollisionError,
    digest_value,
    exceeded_bound,
    map_texts,
)

NOTICE: Final = "[content withheld: it contained text that reads like instructions]"
"""Stands for text that was quarantined or blocked because of what it says."""

UNREADABLE_NOTICE: Final = "[content withheld: it could not be inspected]"
"""Stands for content beyond the limits of inspection."""

CUT: Final = "[removed]"
"""Stands for a span that was cut."""

_NOTICES: Final = frozenset({NOTICE, UNREADABLE_NOTICE})
_OUTCOMES: Final = ("normalized", "cleaned", "redacted", "quarantined", "blocked")


@dataclass(frozen=True, slots=True)
class Sanitized:
    """One text, inspected."""

    text: str
    """What may be passed on."""
    raw_digest: str
    """Digest of the text as it came."""
    clean_digest: str
    """Digest of what may be passed on."""
    findings: tuple[Finding, ...]
    actions: tuple[str, ...]
    """What was done: ``normalized``, ``cleaned``, ``redacted``, ``quarantined``, ``blocked``."""
    changed: bool
    blocked: bool
    removals: tuple[Removal, ...] = ()
    """What was not passed on, whatever it says: invisible characters, markup that readers do not see."""


@dataclass(frozen=True, slots=True)
class SanitizedValue:
    """One structured value, inspected; the fields are those of ``Sanitized``."""

    value: JsonValue
    raw_digest: str
    clean_digest: str
    findings: tuple[Finding, ...]
    """Offsets count from the start of the field that the finding is in."""
    actions: tuple[str, ...]
    changed: bool
    blocked: bool


class _Outcome(NamedTuple):
    """What became of one text, before it is hashed."""

    text: str
    findings: tuple[Finding, ...] = ()
    actions: tuple[str, ...] = ()
    removals: tuple[Removal, ...] = ()


class Sanitizer:
    """Normalises, inspects, cuts, withholds and redacts; safe to share between threads.

    Args:
        config: Actions by door and severity, and limits.
        detectors: What looks at the text; by default the core rule pack, the rules of form, and what finds hidden text.
        redactor: What redacts personal data, where asked; Presidio without a language model by default.
    """

    def __init__(
        self,
        config: SanitizeConfig | None = None,
        *,
        detectors: Sequence[Detector] | None = None,
        redactor: PiiRedactor | None = None,
    ) -> None:
        self._config = config or SanitizeConfig()
        default = (RuleDetector(core_rules().rules), RuleDetector(STRUCTURE_RULES), HiddenTextDetector())
        self._detectors = default if detectors is None else tuple(detectors)
        self._redactor = redactor or PiiRedactor()

    def sanitize_text(self, text: str, *, channel: SourceKind, redact_pii: bool = False) -> Sanitized:
        """Inspect one text.

        Args:
            text: Any string.
            channel: The door that it came through.
            redact_pii: Whether personal data is replaced by markers.

        Returns:
            What may be passed on, and what was found and done.

        Raises:
            SanitizeError: If it is not text, or personal data was to be redacted and cannot be.
        """
        if not isinstance(text, str):
            raise SanitizeError("content is not text", expected="str", got=type(text).__name__)
        raw_digest = digest_text("content", text)
        outcome = self._inspect(text, channel, redact_pii=redact_pii)
        changed = outcome.text != text
        return Sanitized(
            text=outcome.text,
            raw_digest=raw_digest,
            clean_digest=digest_text("content", outcome.text) if changed else raw_digest,
            findings=outcome.findings,
            actions=outcome.actions,
            changed=changed,
            blocked="blocked" in outcome.actions,
            removals=outcome.removals,
        )

    def sanitize_bytes(self, data: bytes, *, channel: SourceKind, redact_pii: bool = False) -> Sanitized:
        """Inspect bytes that claim to be text in UTF-8, or in what their byte order mark says.

        Args:
            data: Any bytes.
            channel: The door that they came through.
            redact_pii: Whether personal data is replaced by markers.

        Returns:
            What may be passed on; a notice alone if they are not text.

        Raises:
            SanitizeError: If they are not bytes, or personal data was to be redacted and cannot be.
        """
        if not isinstance(data, bytes):
            raise SanitizeError("content is not bytes", expected="bytes", got=type(data).__name__)
        try:
            text = data.decode(_encoding(data))
        except UnicodeDecodeError:
            raw, clean = digest_bytes("content", data), digest_text("content", UNREADABLE_NOTICE)
            findings = (structural("not-text", len(data)),)
            return Sanitized(UNREADABLE_NOTICE, raw, clean, findings, ("quarantined",), changed=True, blocked=False)
        return self.sanitize_text(text, channel=channel, redact_pii=redact_pii)

    def sanitize_value(self, value: JsonValue, *, channel: SourceKind, redact_pii: bool = False) -> SanitizedValue:
        """Inspect a structured value, every text and every key of it.

        Args:
            value: A plain JSON value.
            channel: The door that it came through.
            redact_pii: Whether personal data in texts and keys is replaced by markers; numbers stay.

        Returns:
            The value with each text replaced by what may be passed on of it; a notice alone if it is blocked, or
            too large or too deep to be inspected.

        Raises:
            SanitizeError: If it holds anything but JSON types, or personal data was to be redacted and cannot be.
        """
        config = self._config
        bound = exceeded_bound(
            value, max_depth=config.max_depth, max_nodes=config.max_nodes, max_chars=config.max_chars
        )
        if bound is not None:
            return _withheld_value(value, UNREADABLE_NOTICE, (structural(bound),), ("quarantined",))
        outcomes: list[_Outcome] = []

        def clean_text(text: str) -> str:
            outcomes.append(self._inspect(text, channel, redact_pii=redact_pii))
            return outcomes[-1].text

        try:
            clean = map_texts(value, clean_text)
        except KeyCollisionError:
            findings = (*_findings(outcomes), structural("key-collision"))
            return _withheld_value(value, UNREADABLE_NOTICE, findings, ("quarantined",))
        done = {action for outcome in outcomes for action in outcome.actions}
        findings, actions = _findings(outcomes), tuple(name for name in _OUTCOMES if name in done)
        if "blocked" in done:
            return _withheld_value(value, NOTICE, findings, actions)
        raw_digest, changed = digest_value(value), bool(actions)
        clean_digest = digest_value(clean) if changed else raw_digest
        return SanitizedValue(clean, raw_digest, clean_digest, findings, actions, changed, blocked=False)

    def _inspect(self, text: str, channel: SourceKind, *, redact_pii: bool) -> _Outcome:
        """Inspect one text without hashing it."""
        if len(text) > self._config.max_chars:
            return _Outcome(UNREADABLE_NOTICE, (structural("size", len(text)),), ("quarantined",))
        if text in _NOTICES:
            return _Outcome(text)
        seen = self._look(text, channel)
        action = self._config.strictest(seen.findings, channel) if seen.findings else Action.PASS
        if action is Action.BLOCK:
            return _Outcome(NOTICE, seen.findings, ("blocked",))
        if action is Action.QUARANTINE:
            return _Outcome(NOTICE, seen.findings, ("quarantined",))
        return self._change(seen, channel, redact_pii=redact_pii)

    def _change(self, seen: Inspected, channel: SourceKind, *, redact_pii: bool) -> _Outcome:
        """Cut and redact, then look again at what that left."""
        raw, text = seen.normalized.raw, seen.normalized.text
        actions = ["normalized"] if seen.unshown or text is not raw else []
        spans = self._spans_to_cut(seen.findings, channel)
        if spans or seen.unshown:
            unshown = [(removal.start, removal.end, "") for removal in seen.unshown]
            text = normalize(_cut(raw, sorted([*unshown, *((start, end, CUT) for start, end in spans)]))).text
            actions += ["cleaned"] if spans else []
        if redact_pii:
            redacted = self._redactor.redact(text)
            actions += ["redacted"] if redacted != text else []
            text = redacted
        removals = seen.removals
        if text != seen.normalized.text and not self._is_settled(text, channel):
            findings = (*seen.findings, Finding("residue", "structure", Severity.HIGH, 0, len(raw), "text"))
            return _Outcome(NOTICE, findings, ("quarantined",), removals)
        return _Outcome(text, seen.findings, tuple(actions), removals)

    def _is_settled(self, text: str, channel: SourceKind) -> bool:
        """Tell whether a changed text would pass as it is now."""
        again = self._look(text, channel)
        quiet = self._config.strictest(again.findings, channel) is Action.PASS
        return quiet and again.normalized.text == text and not again.unshown

    def _look(self, text: str, channel: SourceKind) -> Inspected:
        """Look at a text; those who may instruct the model may also show it markup."""
        cut_markup = self._config.channels.get(channel, self._config.default) != PASS_ALL
        return inspect_text(text, channel, self._detectors, cut_markup=cut_markup)

    def _spans_to_cut(self, findings: Sequence[Finding], channel: SourceKind) -> list[tuple[int, int]]:
        """Return the raw spans to cut; hidden text is gone already."""
        return sorted(
            (finding.start, finding.end)
            for finding in findings
            if finding.view != "hidden" and self._config.action(finding, channel) is Action.CLEAN
        )


def _encoding(data: bytes) -> str:
    """Name the encoding that a byte order mark announces; UTF-8 without one."""
    marks = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"))
    more = ((codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))
    return next((name for mark, name in (*marks, *more) if data.startswith(mark)), "utf-8")


def _findings(outcomes: Sequence[_Outcome]) -> tuple[Finding, ...]:
    return tuple(finding for outcome in outcomes for finding in outcome.findings)


def _cut(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """Put something else in the place of spans, which may overlap; the first of those that do has its way."""
    pieces: list[str] = []
    last = 0
    for start, end, replacement in spans:
        if start >= last:
            pieces += (text[last:start], replacement)
        last = max(last, end)
    return "".join((*pieces, text[last:]))


def _withheld_value(
    value: JsonValue, notice: str, findings: tuple[Finding, ...], actions: tuple[str, ...]
) -> SanitizedValue:
    digest = digest_text("content", notice)
    blocked = "blocked" in actions
    return SanitizedValue(notice, digest_value(value), digest, findings, actions, changed=True, blocked=blocked)
