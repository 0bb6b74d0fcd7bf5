"""How content gets in: inspected, cleaned, labelled and recorded before any model sees it.

Invariant: what passes here carries the label of its door and of policy, or one that was sealed for it elsewhere; the
content itself can lower its trust, never raise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aisecops_langchain.canonical import JsonValue, digest_text
from aisecops_langchain.domain.effects import ResultProfile
from aisecops_langchain.domain.events import (
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    FindingRecord,
    OutputAllowed,
    OutputBlocked,
    PromptAllowed,
    PromptBlocked,
    RemovalRecord,
)
from aisecops_langchain.domain.labels import Label, Source, SourceKind, label_for
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.plans.reference import context_name
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import Finding, Sanitized, Sanitizer
from aisecops_langchain.sanitize.flow import TextFlow
from aisecops_langchain.sanitize.values import text_size

_REMEMBERED: Final = 4096
"""Sources with findings that are remembered, for those who have to decide on what came of them."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Content after inspection."""

    text: str
    """What may be passed on; a neutral notice where the content was withheld."""
    label: Label
    changed: bool
    blocked: bool
    event: str
    """Id of the event that records it."""


@dataclass(frozen=True, slots=True)
class AdmittedValue:
    """A structured value after inspection; the fields are those of ``Admitted``."""

    value: JsonValue
    label: Label
    changed: bool
    blocked: bool


class Admission:
    """The door for content.

    Args:
        sanitizer: Cleans and inspects.
        recorder: Writes what was found.
    """

    def __init__(self, sanitizer: Sanitizer, recorder: Recorder) -> None:
        self.sanitizer = sanitizer
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
            AuditWriteError: If that could not be recorded.
        """
        found = self.sanitizer.sanitize_text(text, channel=kind, redact_pii=redact_pii)
        source = Source(kind=kind, name=name, digest=found.raw_digest)
        label = _label(source, results, found) if carried is None else _through(carried, source)
        facts: dict[str, Any] = {"source": source, "label": label, "size": len(text), **_seen(found)}
        self._remember(source, facts["findings"])
        record = self._recorder.record
        facts["uninspected"] = uninspected
        identity = (kind.value, name, found.raw_digest, *uninspected)
        if found.blocked:
            blocked = PromptBlocked if kind is SourceKind.USER_PROMPT else ContentBlocked
            event = record(blocked, scope, *identity, parents=parents, reason=_why(found), **facts)
        elif found.changed:
            changed = {"clean_digest": found.clean_digest, "actions": found.actions}
            event = record(ContentSanitized, scope, *identity, parents=parents, **changed, **facts)
        elif kind is not SourceKind.USER_PROMPT:
            event = record(ContentAdmitted, scope, *identity, parents=parents, **facts)
        if kind is SourceKind.USER_PROMPT and not found.blocked:
            event = record(PromptAllowed, scope, *identity, parents=parents, **facts)
        return Admitted(text=found.text, label=label, changed=found.changed, blocked=found.blocked, event=event)

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
        """Inspect a structured value, every text and every key of it; what passes unchanged leaves no event.

        Args:
            value: Plain JSON.
            scope: Where it came in.
            kind: The door it came through.
            name: What it belongs to.
            redact_pii: Whether personal data is to be taken out of it.
            parents: Ids of the events that brought it.

        Returns:
            What may be passed on.

        Raises:
            SanitizeError: If it could not be inspected.
            AuditWriteError: If that could not be recorded.
        """
        found = self.sanitizer.sanitize_value(value, channel=kind, redact_pii=redact_pii)
        label = label_for(Source(kind=kind, name=name, digest=found.raw_digest))
        if found.changed or found.findings:
            findings = tuple(finding.record() for finding in found.findings)
            source = Source(kind=kind, name=name, digest=found.raw_digest)
            facts: dict[str, Any] = {"source": source, "label": label, "size": text_size(value), "findings": findings}
            identity = (kind.value, name, found.raw_digest)
            if found.blocked:
                facts["reason"] = _reason(found.findings)
                self._recorder.record(ContentBlocked, scope, *identity, parents=parents, **facts)
            elif found.changed:
                facts |= {"clean_digest": found.clean_digest, "actions": found.actions}
                self._recorder.record(ContentSanitized, scope, *identity, parents=parents, **facts)
            else:
                self._recorder.record(ContentAdmitted, scope, *identity, parents=parents, **facts)
        return AdmittedValue(value=found.value, label=label, changed=found.changed, blocked=found.blocked)

    def _remember(self, source: Source, findings: tuple[FindingRecord, ...]) -> None:
        if findings:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[source.digest] = findings

    def release(self, text: str, scope: Scope, *, name: str, label: Label) -> Admitted:
        """Inspect the model's final words on their way out.

        Args:
            text: What the model said.
            scope: Where.
            name: The agent that speaks.
            label: Join of everything that the words may depend on.

        Returns:
            What may be let out.

        Raises:
            SanitizeError: If it could not be inspected.
            AuditWriteError: If that could not be recorded.
        """
        found = self.sanitizer.sanitize_text(text, channel=SourceKind.AGENT_MESSAGE)
        source = Source(kind=SourceKind.AGENT_MESSAGE, name=name, digest=found.raw_digest)
        facts: dict[str, Any] = {"source": source, "label": label, "size": len(text), **_seen(found)}
        identity = (found.raw_digest, context_name(label))  # the same words on other grounds are another fact
        if found.blocked:
            event = self._recorder.record(OutputBlocked, scope, *identity, reason=_why(found), **facts)
        else:
            event = self._recorder.record(OutputAllowed, scope, *identity, **facts)
        return Admitted(text=found.text, label=label, changed=found.changed, blocked=found.blocked, event=event)

    def account(
        self, text: str, flow: TextFlow, scope: Scope, *, name: str, label: Label, complete: bool = True
    ) -> str:
        """Record what became of words that went out piece by piece.

        Args:
            text: All of them, as far as they came.
            flow: What let them out.
            scope: Where.
            name: Who speaks.
            label: Join of everything that the words may depend on.
            complete: Whether they were listened to until their end.

        Returns:
            Id of the event.

        Raises:
            AuditWriteError: If that could not be recorded.
        """
        digest = digest_text("content", text)
        source = Source(kind=SourceKind.AGENT_MESSAGE, name=name, digest=digest)
        findings = tuple(finding.record() for finding in flow.findings)
        facts: dict[str, Any] = {"source": source, "label": label, "size": len(text), "findings": findings}
        if flow.closed:
            reason = _reason(flow.findings)
            return self._recorder.record(OutputBlocked, scope, "piecewise", digest, reason=reason, **facts)
        facts |= {"actions": tuple(flow.actions), "complete": complete}
        return self._recorder.record(OutputAllowed, scope, "piecewise", digest, **facts)


def _through(carried: Label, source: Source) -> Label:
    """Add the message itself to the sources of what its sender saw."""
    return carried.model_copy(update={"sources": carried.sources | {source}})


def _label(source: Source, results: ResultProfile | None, found: Sanitized) -> Label:
    """Label content from its door and from policy; what looks like an instruction loses the trust policy gave it."""
    if results is None:
        return label_for(source)
    label = label_for(source, confidentiality=results.confidentiality)
    suspicious = found.blocked or "quarantined" in found.actions
    return label if suspicious else label.model_copy(update={"integrity": results.integrity})


def _seen(found: Sanitized) -> dict[str, tuple[FindingRecord, ...] | tuple[RemovalRecord, ...]]:
    """Return what events say of an inspection."""
    return {
        "findings": tuple(finding.record() for finding in found.findings),
        "removals": tuple(removal.record() for removal in found.removals),
    }


def _why(found: Sanitized) -> str:
    return _reason(found.findings)


def _reason(findings: Sequence[Finding]) -> str:
    if not findings:
        return "not inspected"
    return "findings: " + ", ".join(sorted({item.rule for item in findings}))
