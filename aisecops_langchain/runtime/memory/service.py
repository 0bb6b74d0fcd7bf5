"""Long-term memory: inspected and sealed when it is written, recognised and inspected again when it is read.

Invariant: nothing is written before its event and its head in the ledger are durable, and nothing is passed on that
this governance layer did not write last in this very place. A memory comes back with the label of whatever led to it:
reading never raises trust, so what was written under an attacker's influence is untrusted in every later session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.events import MemoryBlocked, MemoryErased, MemoryRead, MemoryTampered, MemoryWritten
from aisecops_langchain.domain.labels import UNLABELLED, Integrity, Label, Source, SourceKind
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import (
    CanonicalizationError,
    ContentBlockedError,
    MemoryAccessError,
    SanitizeError,
)
from aisecops_langchain.runtime.memory.envelopes import ENVELOPE, MemoryEnvelopes, MemoryPlace, Written, condensed
from aisecops_langchain.runtime.memory.heads import ERASED, MemoryHeads, accepts
from aisecops_langchain.runtime.ports import Ledger
from aisecops_langchain.runtime.recorder import PreparedEvent, Recorder
from aisecops_langchain.sanitize import SanitizedValue, Sanitizer
from aisecops_langchain.sanitize.values import text_size
from aisecops_langchain.sealing import Sealer


@dataclass(frozen=True, slots=True)
class MemoryRules:
    """How one store is treated."""

    redact_pii: bool = False
    """Whether personal data is taken out of memories, when they are written and when they are read."""
    raises: bool = False
    """Whether reading a memory that may not be passed on raises, instead of finding nothing."""
    adopts: bool = False
    """Whether memories that were never governed are inspected and passed on as untrusted."""
    any_tenant: bool = False
    """Whether tenants share memories."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory as it may be shown."""

    value: dict[str, JsonValue]
    label: Label


@dataclass(frozen=True, slots=True)
class Look:
    """What a memory looked like at one moment."""

    written: Written | None
    """What its seal vouches for, if it opens."""
    fault: str
    """Why it is not what was written last: ``stale``, ``seal``, ``unsealed``, ``ungoverned``; empty if it is."""


@dataclass(slots=True)
class Writing:
    """Memories that may now be handed to the store."""

    values: list[dict[str, JsonValue] | None] = field(default_factory=list)
    """What to store for each, in order; ``None`` deletes."""
    began: dict[str, int] = field(default_factory=dict)


_Access = Literal["read", "write", "erase"]


@dataclass(frozen=True, slots=True)
class _Visit:
    """One memory that somebody wants to touch."""

    place: MemoryPlace
    memory: str
    scope: Scope
    rules: MemoryRules
    access: _Access


class Memories:
    """Writes, reads and erases memories in the sight of governance.

    Args:
        ledger: Remembers what was written last.
        recorder: Records.
        sealer: Seals.
        sanitizer: Gives what inspects, as the policy in force asks. Private values are redacted, not named: a memory
            outlives the thread in which a pseudonym means something.
    """

    def __init__(self, ledger: Ledger, recorder: Recorder, sealer: Sealer, sanitizer: Callable[[], Sanitizer]) -> None:
        self._recorder = recorder
        self._sanitizer = sanitizer
        self._envelopes = MemoryEnvelopes(sealer)
        self._heads = MemoryHeads(ledger, sealer)

    def write(
        self,
        writings: Sequence[tuple[MemoryPlace, Mapping[str, Any] | None]],
        scope: Scope,
        *,
        based_on: Label,
        rules: MemoryRules,
    ) -> Writing:
        """Inspect, seal and record memories that are about to be written.

        Args:
            writings: Places, each once, and what is to stand there; ``None`` erases.
            scope: Who writes, and where.
            based_on: Join of everything that the writer saw.
            rules: How the store is treated.

        Returns:
            What to hand to the store; call ``settle`` when it has it.

        Raises:
            ContentBlockedError: If policy lets nothing of a memory pass.
            SanitizeError: If one cannot be inspected.
            MemoryAccessError: If one has no acceptable name, or is another tenant's.
            AuditWriteError: If it could not be recorded.
            LedgerError: If it could not be remembered.
        """
        made, events, seals = Writing(), list[PreparedEvent](), dict[str, str]()
        if not writings:
            return made
        visits = [self._visit(place, scope, rules, "erase" if value is None else "write") for place, value in writings]
        for visit, (_place, value) in zip(visits, writings, strict=True):
            try:
                self._require_name(visit.place)
                sealed, event = (None, self._erased(visit)) if value is None else self._sealed(visit, value, based_on)
            except (SanitizeError, MemoryAccessError, CanonicalizationError) as error:
                self._refuse(visit, error.message)
                raise
            made.values.append(sealed)
            events.append(event)
            seals[visit.memory] = ERASED if sealed is None else _seal_in(sealed)
        try:
            made.began = self._heads.begin(seals, scope.principal.tenant, any_tenant=rules.any_tenant)
        except MemoryAccessError as error:
            for visit in visits:
                self._refuse(visit, error.message)
            raise
        self._recorder.write(events)
        self._recorder.commit()
        return made

    def settle(self, writing: Writing) -> None:
        """Note that the store has what it was handed; what stood there before is not lawful any more.

        Raises:
            LedgerError: If that could not be noted.
        """
        if writing.began:
            self._heads.settle(writing.began)

    def look(self, place: MemoryPlace, found: Mapping[str, Any]) -> Look:
        """Compare a memory, right after it was read, with what was written last.

        One that is stale may have been replaced by somebody between the two; only a second look can tell.

        Args:
            place: Where it was found.
            found: Its value, as found.

        Returns:
            What was seen.

        Raises:
            LedgerError: If it cannot be told what was written last.
        """
        opened = self._envelopes.open(place, _without_envelope(found), found.get(ENVELOPE))
        head = self._heads.of(self._envelopes.name(place))
        if opened is not None:
            return Look(opened[0], "" if accepts(head, opened[1]) else "stale")
        if ENVELOPE in found:
            return Look(None, "seal")
        return Look(None, "unsealed" if head is not None else "ungoverned")

    def recall(
        self, place: MemoryPlace, found: Mapping[str, Any], look: Look, scope: Scope, *, rules: MemoryRules
    ) -> Recalled | None:
        """Inspect what a memory says, if it is what was written last.

        Args:
            place: Where it was found.
            found: Its value, as found.
            look: What ``look`` said of this very value.
            scope: Who reads, and where.
            rules: How the store is treated.

        Returns:
            What may be shown, with its label, or ``None`` if nothing may be.

        Raises:
            MemoryAccessError: If nothing may be shown, and the rules say that this raises.
            AuditWriteError: If it could not be recorded.
        """
        visit = self._visit(place, scope, rules, "read")
        written = self._recognised(visit, look)
        if written is None:
            return None
        try:
            _require_tenant(written, visit)
            self._require_name(place)
            seen = self._inspected(_without_envelope(found), rules)
        except (SanitizeError, MemoryAccessError) as error:
            self._refuse(visit, error.message)
            if rules.raises:
                raise MemoryAccessError("a memory was withheld", got=error.message) from None
            return None
        told = {"written": written.event, "written_in": written.trace, **_facts(visit, written.label, seen)}
        self._recorder.record(MemoryRead, scope, visit.memory, seen.raw_digest, written.event, **told)
        return Recalled(_fields(seen), told["label"])

    def may_name(self, place: MemoryPlace, scope: Scope, *, rules: MemoryRules) -> bool:
        """Tell whether a namespace may be shown; one that may not is recorded."""
        try:
            self._require_name(place)
        except (SanitizeError, MemoryAccessError) as error:
            self._refuse(self._visit(place, scope, rules, "read"), error.message)
            return False
        return True

    def _visit(self, place: MemoryPlace, scope: Scope, rules: MemoryRules, access: _Access) -> _Visit:
        return _Visit(place, self._envelopes.name(place), scope, rules, access)

    def _recognised(self, visit: _Visit, look: Look) -> Written | None:
        if look.written is not None and not look.fault:
            return look.written
        scope, store, memory = visit.scope, visit.place.store, visit.memory
        if look.fault == "ungoverned" and visit.rules.adopts:
            return Written(agent="", user="", tenant=scope.principal.tenant, trace="", event="", label=UNLABELLED)
        self._recorder.record(MemoryTampered, scope, memory, look.fault, store=store, memory=memory, code=look.fault)
        if not visit.rules.raises:
            return None
        raise MemoryAccessError(
            "a memory is not what was last written there",
            expected="a memory that this governance layer wrote last",
            got=look.fault,
            remedy="treat the store as tampered with; the log names the memory",
        )

    def _sealed(
        self, visit: _Visit, value: Mapping[str, Any], based_on: Label
    ) -> tuple[dict[str, JsonValue], PreparedEvent]:
        if not isinstance(value, Mapping):  # whatever a caller's types promise
            raise MemoryAccessError("a memory has no fields", expected="a mapping", got=type(value).__name__)
        if ENVELOPE in value:
            raise MemoryAccessError("a memory brings its own seal", expected=f"no field named {ENVELOPE}", got="one")
        seen = self._inspected(dict(value), visit.rules)
        facts = _facts(visit, based_on, seen)
        event = self._recorder.prepare(MemoryWritten, visit.scope, visit.memory, seen.raw_digest, **facts)
        who, fields = visit.scope.principal, _fields(seen)
        written = Written(
            agent=who.agent,
            user=who.user,
            tenant=who.tenant,
            trace=visit.scope.trace,
            event=event[0],
            label=facts["label"],
        )
        return {**fields, ENVELOPE: self._envelopes.close_over(visit.place, fields, written)}, event

    def _erased(self, visit: _Visit) -> PreparedEvent:
        store, memory = visit.place.store, visit.memory
        return self._recorder.prepare(MemoryErased, visit.scope, memory, store=store, memory=memory)

    def _inspected(self, value: dict[str, Any], rules: MemoryRules) -> SanitizedValue:
        seen = self._sanitizer().sanitize_value(value, channel=SourceKind.MEMORY, redact_pii=rules.redact_pii)
        if seen.blocked or not isinstance(seen.value, dict):
            raise ContentBlockedError("a memory was withheld", expected="content that policy lets through")
        return seen

    def _require_name(self, place: MemoryPlace) -> None:
        """Names are shown to models, too, but cannot be cleaned: another name is another memory."""
        named = self._sanitizer().sanitize_value([*place.namespace, place.key], channel=SourceKind.MEMORY)
        if named.changed:
            raise MemoryAccessError(
                "a memory has a name that cannot be shown", expected="plain words", got="hidden text, or instructions"
            )

    def _refuse(self, visit: _Visit, reason: str) -> None:
        facts: dict[str, Any] = {"store": visit.place.store, "memory": visit.memory, "reason": reason}
        self._recorder.record(MemoryBlocked, visit.scope, visit.memory, visit.access, access=visit.access, **facts)


def _require_tenant(written: Written, visit: _Visit) -> None:
    if written.tenant != visit.scope.principal.tenant and not visit.rules.any_tenant:
        raise MemoryAccessError("a memory belongs to another tenant")


def _without_envelope(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in found.items() if name != ENVELOPE}


def _facts(visit: _Visit, base: Label, seen: SanitizedValue) -> dict[str, Any]:
    """Tell what an event says of a memory; one that had to be withheld in part is worth nothing."""
    store = visit.place.store
    source = Source(kind=SourceKind.MEMORY, name=store, digest=seen.raw_digest)
    integrity = Integrity.UNTRUSTED if "quarantined" in seen.actions else base.integrity
    label = base.model_copy(update={"sources": base.sources | {source}, "integrity": integrity})
    return {
        "store": store,
        "memory": visit.memory,
        "source": source,
        "label": condensed(label),
        "size": text_size(seen.value),
        "findings": tuple(finding.record() for finding in seen.findings),
        "actions": seen.actions,
        "clean_digest": seen.clean_digest if seen.changed else "",
    }


def _fields(seen: SanitizedValue) -> dict[str, JsonValue]:
    return dict(seen.value) if isinstance(seen.value, dict) else {}


def _seal_in(sealed: Mapping[str, JsonValue]) -> str:
    envelope = sealed[ENVELOPE]
    return str(envelope["seal"]) if isinstance(envelope, dict) else ERASED
