"""The way of one text to the model: looked at, cut, redacted, and looked at again.

Invariant: a text that was changed is passed on only if another look at it would change nothing more. In a long text
changes are a matter of their surroundings: these alone are looked at again, once nothing in all of it is hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize.clean_texts import CleanTexts
from aisecops_langchain.sanitize.clip import clip_near
from aisecops_langchain.sanitize.config import PASS_ALL, Action, SanitizeConfig
from aisecops_langchain.sanitize.detect import MORE, Detector
from aisecops_langchain.sanitize.finding import Finding, Severity
from aisecops_langchain.sanitize.inspection import Inspected, inspect_text, is_all_shown, structural
from aisecops_langchain.sanitize.normalize import Normalized, normalize
from aisecops_langchain.sanitize.outcome import (
    CUT,
    NOTICE,
    NOTICES,
    OUTCOMES,
    PRIVATE_NOTICE,
    UNREADABLE_NOTICE,
    Outcome,
)
from aisecops_langchain.sanitize.pii import PiiRedactor
from aisecops_langchain.sanitize.private import PrivateData, Veil
from aisecops_langchain.sanitize.values import UnreadableValueError

_LONG: Final = 65_536
"""Characters of the longest text of which every second look sees all."""
_CONCERNED: Final = 2_048
"""Characters on either side of a change that it may concern: no match reaches further."""


class Passage:
    """Lets texts pass as a configuration says; safe to share between threads.

    Args:
        config: Actions by door and severity, and limits.
        detectors: What looks at a text.
        redactor: Finds personal data that has no form of its own.
    """

    def __init__(self, config: SanitizeConfig, detectors: Sequence[Detector], redactor: PiiRedactor) -> None:
        self._config = config
        self._detectors = detectors
        self._redactor = redactor
        self._clean = CleanTexts() if all(getattr(detector, "is_pure", False) for detector in detectors) else None
        self._cuts_markup = {kind: config.channels.get(kind, config.default) != PASS_ALL for kind in SourceKind}

    def outcome(
        self,
        text: str,
        channel: SourceKind,
        *,
        redact_pii: bool,
        private: PrivateData | None = None,
        veil: Veil | None = None,
    ) -> Outcome:
        """Inspect one text.

        Args:
            text: Any string.
            channel: The door that it came through.
            redact_pii: Whether personal data is replaced by markers.
            private: What becomes of private data at this door.
            veil: Makes hashes and pseudonyms.

        Returns:
            What may be passed on, and why.

        Raises:
            SanitizeError: If personal data was to be redacted and cannot be.
        """
        if len(text) > self._config.max_chars:
            return Outcome(UNREADABLE_NOTICE, (structural("size", len(text)),), ("quarantined",))
        if text in NOTICES:
            return Outcome(text)
        seen = self._look(text, channel)
        action = self._config.strictest(seen.findings, channel) if seen.findings else Action.PASS
        if action is Action.BLOCK:
            return Outcome(NOTICE, seen.findings, ("blocked",))
        if action is Action.QUARANTINE:
            return Outcome(NOTICE, seen.findings, ("quarantined",))
        changed = self._change(seen, channel, redact_pii=redact_pii)
        if private is None or changed.text in NOTICES:
            return changed
        return self._treat(changed, channel, private, veil)

    def _change(self, seen: Inspected, channel: SourceKind, *, redact_pii: bool) -> Outcome:
        """Cut and redact, then look again at what that left."""
        raw, text = seen.normalized.raw, seen.normalized.text
        actions = ["normalized"] if seen.unshown or text is not raw else []
        spans = self._spans_to_cut(seen.findings, channel)
        pieces: list[str] = []
        if spans or seen.unshown:
            unshown = [(removal.start, removal.end, "") for removal in seen.unshown]
            pieces = _cut(raw, sorted([*unshown, *((start, end, CUT) for start, end in spans)]))
            text = normalize("".join(pieces)).text
            actions += ["cleaned"] if spans else []
        if redact_pii:
            redacted = self._redactor.redact(text)
            actions += ["redacted"] if redacted != text else []
            pieces = pieces if redacted == text else []
            text = redacted
        if MORE in seen.findings:
            pieces = []
        removals = seen.removals
        if text != seen.normalized.text and not self._is_settled(text, pieces, channel):
            findings = (*seen.findings, Finding("residue", "structure", Severity.HIGH, 0, len(raw), "text"))
            return Outcome(NOTICE, findings, ("quarantined",), removals)
        return Outcome(text, seen.findings, tuple(actions), removals)

    def _is_settled(self, text: str, pieces: Sequence[str], channel: SourceKind) -> bool:
        """Tell whether a changed text would pass as it is now; of a long one, look near its changes first.

        This takes detectors that name every match: what one of them left unnamed would stand anywhere.
        """
        near_only = len(text) > _LONG and pieces and self._clean is not None
        if near_only and is_all_shown(text, cut_markup=self._cuts_markup[channel]):
            near = clip_near(text, _ends(pieces), _CONCERNED)
            if near and all(self._is_quiet(text[start:end], channel) for start, end in near.kept):
                return True
        return self._is_quiet(text, channel)

    def _is_quiet(self, text: str, channel: SourceKind) -> bool:
        again = self._look(text, channel)
        quiet = self._config.strictest(again.findings, channel) is Action.PASS
        return quiet and again.normalized.text == text and not again.unshown

    def _treat(self, outcome: Outcome, channel: SourceKind, private: PrivateData, veil: Veil | None) -> Outcome:
        """Treat private data in a text that has passed so far."""
        try:
            treated = private.treat_text(outcome.text, veil)
            settled = treated.text == outcome.text or private.treat_text(treated.text, veil).text == treated.text
        except UnreadableValueError as error:
            findings = (*outcome.findings, structural(error.rule, len(outcome.text)))
            return Outcome(UNREADABLE_NOTICE, findings, ("quarantined",))
        findings = (*outcome.findings, *treated.findings)
        if treated.blocked:
            return Outcome(PRIVATE_NOTICE, findings, ("blocked",))
        if treated.text == outcome.text:
            return outcome._replace(findings=findings)
        again = self.outcome(treated.text, channel, redact_pii=False)
        if not settled or again.text != treated.text:
            return Outcome(NOTICE, (*findings, structural("residue", len(outcome.text))), ("quarantined",))
        actions = tuple(name for name in OUTCOMES if name in (*outcome.actions, "redacted"))
        return outcome._replace(text=treated.text, findings=findings, actions=actions)

    def _look(self, text: str, channel: SourceKind) -> Inspected:
        """Look at a text; those who may instruct the model may also show it markup."""
        if self._clean is None:
            return inspect_text(text, channel, self._detectors, cut_markup=self._cuts_markup[channel])
        key = self._clean.key(text, channel)
        if self._clean.knows(key):
            return Inspected(Normalized(text, text), ())
        seen = inspect_text(text, channel, self._detectors, cut_markup=self._cuts_markup[channel])
        if seen.normalized.text == text and not seen.findings and not seen.unshown:
            self._clean.add(key)
        return seen

    def _spans_to_cut(self, findings: Sequence[Finding], channel: SourceKind) -> list[tuple[int, int]]:
        """Return the raw spans to cut; hidden text is gone already."""
        return sorted(
            (finding.start, finding.end)
            for finding in findings
            if finding.view != "hidden" and self._config.action(finding, channel) is Action.CLEAN
        )


def _cut(text: str, spans: Sequence[tuple[int, int, str]]) -> list[str]:
    """Put something else in the place of spans, which may overlap; the first of those that do has its way."""
    pieces: list[str] = []
    last = 0
    for start, end, replacement in spans:
        if start >= last:
            pieces += (text[last:start], replacement)
        last = max(last, end)
    return [*pieces, text[last:]]


def _ends(pieces: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Say where the pieces of a text end once it is normalised, to a few characters."""
    lengths = (len(normalize(piece).text) for piece in pieces)
    return ((end, end) for end in accumulate(lengths))
