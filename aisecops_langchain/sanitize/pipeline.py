"""The sanitizer: from raw content to what may reach the model.

Invariant: nothing is passed on that was not inspected whole; what cannot be inspected is withheld. What is passed on is
a fixed point: sanitizing it again changes nothing. Cutting or redacting a span never assembles a new match unseen,
because changed text is inspected once more and withheld if anything shows.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from pydantic import JsonValue

from aisecops_langchain.canonical import digest_bytes, digest_text
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import SanitizeError
from aisecops_langchain.sanitize.config import SanitizeConfig
from aisecops_langchain.sanitize.detect import Detector, HiddenTextDetector, RuleDetector
from aisecops_langchain.sanitize.inspection import structural
from aisecops_langchain.sanitize.outcome import (
    NOTICE,
    OUTCOMES,
    PRIVATE_NOTICE,
    UNREADABLE_NOTICE,
    Outcome,
    Sanitized,
    SanitizedValue,
    findings_of,
    withheld_value,
)
from aisecops_langchain.sanitize.passage import Passage
from aisecops_langchain.sanitize.pii import PiiRedactor
from aisecops_langchain.sanitize.private import PrivateData, Veil
from aisecops_langchain.sanitize.rules import RulePack, core_rules
from aisecops_langchain.sanitize.structure import STRUCTURE_RULES
from aisecops_langchain.sanitize.values import UnreadableValueError, digest_value, exceeded_bound, map_texts


class Sanitizer:
    """Normalises, inspects, cuts, withholds and redacts; safe to share between threads.

    Args:
        config: Actions by door and severity, and limits.
        detectors: What looks at the text; by default the rule packs, the rules of form, and what finds hidden text.
        packs: Rule packs to use beside the core pack.
        redactor: What finds personal data that has no form of its own; Presidio without a language model by default.
    """

    def __init__(
        self,
        config: SanitizeConfig | None = None,
        *,
        detectors: Sequence[Detector] | None = None,
        packs: Sequence[RulePack] = (),
        redactor: PiiRedactor | None = None,
    ) -> None:
        self._config = config or SanitizeConfig()
        redactor = redactor or PiiRedactor()
        used = _default_detectors(packs) if detectors is None else tuple(detectors)
        self._passage = Passage(self._config, used, redactor)
        self._private = {
            kind: PrivateData(treatments, fields, redactor)
            for kind in SourceKind
            if any((treatments := self._config.private.get(kind, {}), fields := self._config.fields.get(kind, {})))
        }

    def sanitize_text(
        self, text: str, *, channel: SourceKind, redact_pii: bool = False, veil: Veil | None = None
    ) -> Sanitized:
        """Inspect one text.

        Args:
            text: Any string.
            channel: The door that it came through.
            redact_pii: Whether personal data is replaced by markers.
            veil: Makes hashes and pseudonyms where the configuration asks for them; without one, such data is redacted.

        Returns:
            What may be passed on, and what was found and done.

        Raises:
            SanitizeError: If it is not text, or personal data was to be redacted and cannot be.
        """
        if not isinstance(text, str):
            raise SanitizeError("content is not text", expected="str", got=type(text).__name__)
        raw_digest = digest_text("content", text)
        outcome = self._passage.outcome(
            text, channel, redact_pii=redact_pii, private=self._private.get(channel), veil=veil
        )
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

    def sanitize_value(
        self, value: JsonValue, *, channel: SourceKind, redact_pii: bool = False, veil: Veil | None = None
    ) -> SanitizedValue:
        """Inspect a structured value, every text and every key of it.

        Args:
            value: A plain JSON value.
            channel: The door that it came through.
            redact_pii: Whether personal data in texts and keys is replaced by markers; numbers stay.
            veil: Makes hashes and pseudonyms.

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
            return withheld_value(value, UNREADABLE_NOTICE, (structural(bound),), ("quarantined",))
        outcomes: list[Outcome] = []

        def clean_text(text: str) -> str:
            outcomes.append(self._passage.outcome(text, channel, redact_pii=redact_pii))
            return outcomes[-1].text

        try:
            clean = map_texts(value, clean_text)
            clean = self._treat_value(clean, channel, veil, outcomes)
        except UnreadableValueError as error:
            findings = (*findings_of(outcomes), structural(error.rule))
            return withheld_value(value, UNREADABLE_NOTICE, findings, ("quarantined",))
        done = {action for outcome in outcomes for action in outcome.actions}
        findings, actions = findings_of(outcomes), tuple(name for name in OUTCOMES if name in done)
        if "blocked" in done:
            private = any(finding.category in ("secret", "personal") for finding in findings)
            return withheld_value(value, PRIVATE_NOTICE if private else NOTICE, findings, actions)
        raw_digest, changed = digest_value(value), bool(actions)
        clean_digest = digest_value(clean) if changed else raw_digest
        return SanitizedValue(clean, raw_digest, clean_digest, findings, actions, changed, blocked=False)

    def _treat_value(
        self, value: JsonValue, channel: SourceKind, veil: Veil | None, outcomes: list[Outcome]
    ) -> JsonValue:
        """Treat private data by fields; what that leaves must be what looking again would leave."""
        private = self._private.get(channel)
        if private is None:
            return value
        treated, seen = private.treat_value(value, veil)
        changed = ("redacted",) if treated != value else ()
        outcomes.append(Outcome("", seen.findings, ("blocked",) if seen.blocked else changed))
        settled = (
            private.treat_value(treated, veil)[0]
            == treated
            == map_texts(treated, lambda text: self._passage.outcome(text, channel, redact_pii=False).text)
        )
        if changed and not settled:
            outcomes.append(Outcome("", (structural("residue"),), ("quarantined",)))
            return NOTICE
        return treated


def _encoding(data: bytes) -> str:
    """Name the encoding that a byte order mark announces; UTF-8 without one."""
    marks = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"))
    more = ((codecs.BOM_UTF16_BE, "utf-16"), (codecs.BOM_UTF8, "utf-8-sig"))
    return next((name for mark, name in (*marks, *more) if data.startswith(mark)), "utf-8")


def _default_detectors(packs: Sequence[RulePack]) -> tuple[Detector, ...]:
    rules = [rule for pack in (core_rules(), *packs) for rule in pack.rules]
    return RuleDetector([*rules, *STRUCTURE_RULES]), HiddenTextDetector()
