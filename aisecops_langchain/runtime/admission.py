"""How content gets in: inspected, cleaned, labelled and recorded before any model sees it.

Invariant: what passes here carries the label of its door and of policy, or one that was sealed for it elsewhere; the
content itself can lower its trust, never raise it.
"""

from __future__ import annotations

from typing import Any, Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.effects import ResultProfile
from aisecops_langchain.domain.events import (
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    FindingRecord,
    PromptAllowed,
    PromptBlocked,
)
from aisecops_langchain.domain.labels import Label, Source, SourceKind, label_for
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.content.inspecting import Inspecting
from aisecops_langchain.runtime.content.outcomes import (
    Admitted,
    AdmittedValue,
    admitted,
    admitted_value,
    is_withheld,
    why,
)
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import Sanitized, SanitizedValue, content_text

_REMEMBERED: Final = 4096
"""Sources with findings that are remembered, for those who have to decide on what came of them."""


class Admission:
    """The door in.

    Args:
        inspecting: Inspects, and keeps what is withheld.
        recorder: Writes what was found.
    """

    def __init__(self, inspecting: Inspecting, recorder: Recorder) -> None:
        self._inspecting = inspecting
        self._recorder = recorder
        self._found: dict[str, tuple[FindingRecord, ...]] = {}

    def findings_on(self, source: Source) -> tuple[FindingRecord, ...]:
        """Return what was found on a source when it was let in, as far as this process remembers.

        Args:
            source: The source, known by the digest of its raw content.
        """
        return self._found.get(source.digest, ())

    def admit(
        self,
        text: str,
        scope: Scope,
        *,
        kind: SourceKind,
        name: str,
        redact_pii: bool = False,
        parents: tuple[str, ...] = (),
        carried: Label | None = None,
        results: ResultProfile | None = None,
        uninspected: tuple[str, ...] = (),
    ) -> Admitted:
        """Inspect one piece of content.

        Args:
            text: The raw content.
            scope: Where it came in.
            kind: The door it came through.
            name: Which tool, document or speaker.
            redact_pii: Whether personal data is to be taken out of it.
            parents: Ids of the events that brought it.
            carried: The label that an agent's words proved to bring along, instead of that of their door.
            results: What policy says of a tool's result.
            uninspected: Types of what came along and cannot be read as text.

        Returns:
            What may be passed on, and its label.

        Raises:
            SanitizeError: If it could not be inspected.
            QuarantineError: If it was withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        found = self._inspecting.text(text, scope, kind=kind, redact_pii=redact_pii)
        source = Source(kind=kind, name=name, digest=found.raw_digest)
        label = _label(source, results, found) if carried is None else _through(carried, source)
        facts = self._inspecting.facts(found, source, label, text) | {"parents": parents, "uninspected": uninspected}
        self._remember(source, facts["findings"])
        event = self._tell(found, scope, (kind.value, name, found.raw_digest, *uninspected), facts)
        return admitted(found, label, event)

    def admit_value(
        self,
        value: JsonValue,
        scope: Scope,
        *,
        kind: SourceKind,
        name: str,
        redact_pii: bool = False,
        parents: tuple[str, ...] = (),
    ) -> AdmittedValue:
        """Inspect structured content that stands beside a text, such as a document's metadata or a result's artifact.

        What passes unchanged is told by the event of the text; it has one of its own only if something was found in it.

        Args:
            value: Plain JSON.
            scope: Where it came in.
            kind: The door it came through.
            name: Which document or tool.
            redact_pii: Whether personal data is to be taken out of it.
            parents: Ids of the events that brought it.

        Returns:
            What may be passed on.

        Raises:
            SanitizeError: If it could not be inspected.
            QuarantineError: If it was withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        found = self._inspecting.value(value, scope, kind=kind, redact_pii=redact_pii)
        source = Source(kind=kind, name=name, digest=found.raw_digest)
        label, event = label_for(source), ""
        if found.changed or found.findings:
            facts = self._inspecting.facts(found, source, label, content_text(value)) | {"parents": parents}
            event = self._tell(found, scope, (kind.value, name, found.raw_digest), facts)
        return admitted_value(found, value, label, event)

    def _tell(
        self, found: Sanitized | SanitizedValue, scope: Scope, identity: tuple[str, ...], facts: dict[str, Any]
    ) -> str:
        """Record what became of content; a prompt that was changed has two events, of which the last counts."""
        record, is_prompt = self._recorder.record, facts["source"].kind is SourceKind.USER_PROMPT
        if found.blocked:
            blocked = PromptBlocked if is_prompt else ContentBlocked
            return record(blocked, scope, *identity, reason=why(found.findings), **facts)
        event = ""
        if found.changed:
            changed = facts | {"clean_digest": found.clean_digest, "actions": found.actions}
            event = record(ContentSanitized, scope, *identity, **changed)
        elif not is_prompt:
            event = record(ContentAdmitted, scope, *identity, **facts)
        return record(PromptAllowed, scope, *identity, **facts) if is_prompt else event

    def _remember(self, source: Source, findings: tuple[FindingRecord, ...]) -> None:
        if findings:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[source.digest] = findings


def _through(carried: Label, source: Source) -> Label:
    """Add the message itself to the sources of what its sender saw."""
    return carried.model_copy(update={"sources": carried.sources | {source}})


def _label(source: Source, results: ResultProfile | None, found: Sanitized) -> Label:
    """Label content from its door and from policy; what looks like an instruction loses the trust policy gave it."""
    if results is None:
        return label_for(source)
    label = label_for(source, confidentiality=results.confidentiality)
    return label if is_withheld(found) else label.model_copy(update={"integrity": results.integrity})
