"""How content gets in: inspected, cleaned, labelled and recorded before any model sees it.

Invariant: what passes here carries the label of its door and of policy, or one that was sealed for it elsewhere; the
content itself can lower its trust, never raise it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from aisecops_langchain.runtime.content.pseudonyms import ThreadVeil
from aisecops_langchain.runtime.content.quarantine import Quarantine
from aisecops_langchain.runtime.plans.reference import context_name
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sanitize import Finding, Sanitized, SanitizedValue, Sanitizer, content_text
from aisecops_langchain.sanitize.flow import TextFlow

MISFIT_NOTICE: Final = "[content withheld: without what had to be taken out it is not what it should be]"
"""Stands for an object of which what is left does not fit its type."""

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
    withheld: bool
    """Whether nothing of it is passed on; ``text`` is a notice then."""
    event: str
    """Id of the event that records it."""


@dataclass(frozen=True, slots=True)
class AdmittedValue:
    """A structured value after inspection; the fields are those of ``Admitted``."""

    value: JsonValue
    label: Label
    changed: bool
    blocked: bool
    withheld: bool
    """Whether nothing of it is passed on; ``value`` is a notice then."""
    event: str
    """Id of the event that records it; empty where it passed unchanged and nothing was found in it."""


class Admission:
    """The door for content.

    Args:
        sanitizer: Cleans and inspects.
        recorder: Writes what was found.
        quarantine: Keeps what was withheld; without one, only its digest stays.
        veil: Gives what makes stand-ins for private values in a place; without it, they are redacted.
    """

    def __init__(
        self,
        sanitizer: Sanitizer,
        recorder: Recorder,
        *,
        quarantine: Quarantine | None = None,
        veil: Callable[[Scope], ThreadVeil] | None = None,
    ) -> None:
        self.sanitizer = sanitizer
        self._recorder = recorder
        self._quarantine = quarantine
        self._keeps = True
        self._veil: Callable[[Scope], ThreadVeil | None] = veil or (lambda _: None)
        self._found: dict[str, tuple[FindingRecord, ...]] = {}

    def adopt(self, sanitizer: Sanitizer, *, keep: bool) -> None:
        """Inspect otherwise from now on.

        Args:
            sanitizer: Cleans and inspects.
            keep: Whether what is withheld is kept in quarantine.
        """
        self.sanitizer = sanitizer
        self._keeps = keep

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
        found = self.inspect(text, scope, kind=kind, redact_pii=redact_pii)
        source = Source(kind=kind, name=name, digest=found.raw_digest)
        label = _label(source, results, found) if carried is None else _through(carried, source)
        facts = self._facts(found, source, label, text) | {"parents": parents, "uninspected": uninspected}
        self._remember(source, facts["findings"])
        event = self._tell(found, scope, (kind.value, name, found.raw_digest, *uninspected), facts)
        return _admitted(found, label, event)

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
        with self._veiled(scope) as veil:
            found = self.sanitizer.sanitize_value(value, channel=kind, redact_pii=redact_pii, veil=veil)
        source = Source(kind=kind, name=name, digest=found.raw_digest)
        label, event = label_for(source), ""
        if found.changed or found.findings:
            facts = self._facts(found, source, label, content_text(value)) | {"parents": parents}
            event = self._tell(found, scope, (kind.value, name, found.raw_digest), facts)
        return _admitted_value(found, value, label, event)

    def inspect(self, text: str, scope: Scope, *, kind: SourceKind, redact_pii: bool = False) -> Sanitized:
        """Inspect a text without a record of it, which whoever asks must see to: ``account`` makes one.

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

    def release(
        self, text: str, scope: Scope, *, name: str, label: Label, uninspected: tuple[str, ...] = ()
    ) -> Admitted:
        """Inspect the model's final words on their way out.

        Args:
            text: What the model said.
            scope: Where.
            name: The agent that speaks.
            label: Join of everything that the words may depend on.
            uninspected: Types of what goes out with them and cannot be read as text.

        Returns:
            What may be let out.

        Raises:
            SanitizeError: If it could not be inspected.
            QuarantineError: If it was withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        found = self.inspect(text, scope, kind=SourceKind.OUTPUT)
        admitted = _admitted(found, label, "")
        facts = self._facts(found, _speaker(name, found), label, text) | {"uninspected": uninspected}
        identity = (found.raw_digest, context_name(label))  # the same words on other grounds are another fact
        event = self._tell_output(found, scope, identity, facts, is_withheld=admitted.withheld)
        return replace(admitted, event=event)

    def release_value(
        self, value: JsonValue, scope: Scope, *, name: str, label: Label, fits: Callable[[JsonValue], bool]
    ) -> AdmittedValue:
        """Inspect an object that goes out beside the model's final words, field by field.

        Args:
            value: Plain JSON.
            scope: Where.
            name: The agent that speaks.
            label: Join of everything that it may depend on.
            fits: Tells whether what would be left of it is still what its reader expects; if not, it is withheld.

        Returns:
            What may be let out. It has an event of its own only if something was found in it.

        Raises:
            SanitizeError: If it could not be inspected.
            QuarantineError: If something was withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        with self._veiled(scope) as veil:
            found = self.sanitizer.sanitize_value(value, channel=SourceKind.OUTPUT, veil=veil)
        admitted = _admitted_value(found, value, label, "")
        if not found.changed and not found.findings:
            return admitted
        if found.changed and not admitted.withheld and not fits(found.value):
            admitted = replace(admitted, value=MISFIT_NOTICE, withheld=True)
        facts = self._facts(found, _speaker(name, found), label, content_text(value))
        identity = ("beside", found.raw_digest, context_name(label))
        event = self._tell_output(found, scope, identity, facts, is_withheld=admitted.withheld)
        return replace(admitted, event=event)

    def _tell_output(
        self,
        found: Sanitized | SanitizedValue,
        scope: Scope,
        identity: tuple[str, ...],
        facts: dict[str, Any],
        *,
        is_withheld: bool,
    ) -> str:
        if is_withheld:
            return self._recorder.record(OutputBlocked, scope, *identity, reason=_why(found.findings), **facts)
        clean = found.clean_digest if found.changed else ""
        return self._recorder.record(
            OutputAllowed, scope, *identity, clean_digest=clean, actions=found.actions, **facts
        )

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
            QuarantineError: If they were withheld, and could not be kept.
            AuditWriteError: If that could not be recorded.
        """
        digest = digest_text("content", text)
        source = Source(kind=SourceKind.AGENT_MESSAGE, name=name, digest=digest)
        kept = flow.closed and self._keep(digest, text)
        findings = tuple(finding.record() for finding in flow.findings)
        facts: dict[str, Any] = {
            "source": source,
            "label": label,
            "size": len(text),
            "findings": findings,
            "kept": kept,
            "removals": tuple(removal.record() for removal in flow.removals),
        }
        if flow.closed:
            reason = _why(flow.findings)
            return self._recorder.record(OutputBlocked, scope, "piecewise", digest, reason=reason, **facts)
        clean = digest_text("content", "".join(flow.shown)) if flow.actions else ""
        facts |= {"clean_digest": clean, "actions": tuple(flow.actions), "complete": complete}
        return self._recorder.record(OutputAllowed, scope, "piecewise", digest, **facts)

    @contextmanager
    def _veiled(self, scope: Scope) -> Iterator[ThreadVeil | None]:
        """Make stand-ins, and keep what they stand for before anybody is shown one."""
        veil = self._veil(scope)
        yield veil
        if veil is not None:
            veil.keep()

    def _tell(
        self, found: Sanitized | SanitizedValue, scope: Scope, identity: tuple[str, ...], facts: dict[str, Any]
    ) -> str:
        """Record what became of content; a prompt that was changed has two events, of which the last counts."""
        record, is_prompt = self._recorder.record, facts["source"].kind is SourceKind.USER_PROMPT
        if found.blocked:
            blocked = PromptBlocked if is_prompt else ContentBlocked
            return record(blocked, scope, *identity, reason=_why(found.findings), **facts)
        event = ""
        if found.changed:
            changed = facts | {"clean_digest": found.clean_digest, "actions": found.actions}
            event = record(ContentSanitized, scope, *identity, **changed)
        elif not is_prompt:
            event = record(ContentAdmitted, scope, *identity, **facts)
        return record(PromptAllowed, scope, *identity, **facts) if is_prompt else event

    def _facts(self, found: Sanitized | SanitizedValue, source: Source, label: Label, raw: str) -> dict[str, Any]:
        """Collect what every event says, and keep what was withheld before one can say so."""
        withheld = found.blocked or "quarantined" in found.actions
        kept = withheld and self._keep(found.raw_digest, raw)
        return {"source": source, "label": label, "size": len(raw), "kept": kept, **_seen(found)}

    def _keep(self, digest: str, raw: str) -> bool:
        return self._keeps and self._quarantine is not None and self._quarantine.keep(digest, raw)

    def _remember(self, source: Source, findings: tuple[FindingRecord, ...]) -> None:
        if findings:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[source.digest] = findings


def _admitted(found: Sanitized, label: Label, event: str) -> Admitted:
    withheld = found.blocked or "quarantined" in found.actions
    return Admitted(found.text, label, changed=found.changed, blocked=found.blocked, withheld=withheld, event=event)


def _admitted_value(found: SanitizedValue, raw: JsonValue, label: Label, event: str) -> AdmittedValue:
    """Of a value, single fields may be withheld; a value that is withheld whole has become a notice."""
    withheld = found.changed and isinstance(found.value, str) and (found.blocked or not isinstance(raw, str))
    return AdmittedValue(
        found.value, label, changed=found.changed, blocked=found.blocked, withheld=withheld, event=event
    )


def _speaker(name: str, found: Sanitized | SanitizedValue) -> Source:
    return Source(kind=SourceKind.AGENT_MESSAGE, name=name, digest=found.raw_digest)


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


def _seen(found: Sanitized | SanitizedValue) -> dict[str, tuple[FindingRecord, ...] | tuple[RemovalRecord, ...]]:
    """Return what events say of an inspection."""
    removals = found.removals if isinstance(found, Sanitized) else ()
    return {
        "findings": tuple(finding.record() for finding in found.findings),
        "removals": tuple(removal.record() for removal in removals),
    }


def _why(findings: Sequence[Finding]) -> str:
    if not findings:
        return "not inspected"
    return "findings: " + ", ".join(sorted({item.rule for item in findings}))
