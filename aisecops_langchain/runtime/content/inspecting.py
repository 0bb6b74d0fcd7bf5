"""Content under inspection, at the door in and at the door out.

Invariant: what stand-ins stand for lies in the ledger, and what is withheld lies in quarantine, before anybody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.labels import Label, Source, SourceKind
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.content.outcomes import is_withheld, seen
from aisecops_langchain.runtime.content.pseudonyms import ThreadVeil
from aisecops_langchain.runtime.content.quarantine import Quarantine
from aisecops_langchain.sanitize import Sanitized, SanitizedValue, Sanitizer


class Inspecting:
    """Inspects content, and keeps what is withheld of it.

    Args:
        sanitizer: Cleans and inspects.
        keep: Whether what is withheld is kept in quarantine.
        quarantine: Keeps what was withheld; without one, only its digest stays.
        veil: Gives what makes stand-ins for private values in a place; without it, they are redacted.
    """

    def __init__(
        self,
        sanitizer: Sanitizer,
        *,
        keep: bool = True,
        quarantine: Quarantine | None = None,
        veil: Callable[[Scope], ThreadVeil] | None = None,
    ) -> None:
        self.sanitizer = sanitizer
        self._quarantine = quarantine
        self._keeps = keep
        self._veil: Callable[[Scope], ThreadVeil | None] = veil or (lambda _: None)

    def adopt(self, sanitizer: Sanitizer, *, keep: bool) -> None:
        """Inspect otherwise from now on.

        Args:
            sanitizer: Cleans and inspects.
            keep: Whether what is withheld is kept in quarantine.
        """
        self.sanitizer = sanitizer
        self._keeps = keep

    def text(self, text: str, scope: Scope, *, kind: SourceKind, redact_pii: bool = False) -> Sanitized:
        """Inspect a text; whoever asks must see to the record of it.

        Args:
            text: The raw content.
            scope: Where it is.
            kind: The door it comes through.
            redact_pii: Whether personal data is to be taken out of it.

        Returns:
            What was found, and what may be passed on.

        Raises:
            SanitizeError: If it could not be inspected.
            LedgerError: If what its stand-ins stand for could not be kept.
        """
        with self._veiled(scope) as veil:
            return self.sanitizer.sanitize_text(text, channel=kind, redact_pii=redact_pii, veil=veil)

    def value(self, value: JsonValue, scope: Scope, *, kind: SourceKind, redact_pii: bool = False) -> SanitizedValue:
        """Inspect plain JSON field by field, otherwise as ``text`` does.

        Args:
            value: The raw content.
            scope: Where it is.
            kind: The door it comes through.
            redact_pii: Whether personal data is to be taken out of it.

        Returns:
            What was found, and what may be passed on.

        Raises:
            SanitizeError: If it could not be inspected.
            LedgerError: If what its stand-ins stand for could not be kept.
        """
        with self._veiled(scope) as veil:
            return self.sanitizer.sanitize_value(value, channel=kind, redact_pii=redact_pii, veil=veil)

    def facts(self, found: Sanitized | SanitizedValue, source: Source, label: Label, raw: str) -> dict[str, Any]:
        """Collect what every event says of content, and keep what was withheld before one can say so.

        Args:
            found: What was found in it.
            source: Where it came from.
            label: Its label.
            raw: All of it, as text.

        Returns:
            Fields of the event.

        Raises:
            QuarantineError: If it was withheld, and could not be kept.
        """
        kept = is_withheld(found) and self.keep(found.raw_digest, raw)
        return {"source": source, "label": label, "size": len(raw), "kept": kept, **seen(found)}

    def keep(self, digest: str, raw: str) -> bool:
        """Keep withheld content, if policy wants that and there is a place for it.

        Args:
            digest: Digest of the content.
            raw: The content.

        Returns:
            Whether it is kept.

        Raises:
            QuarantineError: If it should be, and could not.
        """
        return self._keeps and self._quarantine is not None and self._quarantine.keep(digest, raw)

    @contextmanager
    def _veiled(self, scope: Scope) -> Iterator[ThreadVeil | None]:
        """Make stand-ins, and keep what they stand for before anybody is shown one."""
        veil = self._veil(scope)
        yield veil
        if veil is not None:
            veil.keep()
