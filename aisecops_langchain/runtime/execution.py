"""Effects: begun only under a permit, ended by what really happened, never begun twice.

Invariant: before a tool runs, its permit was used up in the ledger and the intent is durable in the log. An effect
whose end nobody saw is ``unknown`` and stays so until someone reconciles it; it is begun again only where policy
declares its tool idempotent.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from aisecops_langchain.domain.events import (
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionUnknown,
)
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.permit import NEXT_STATES, Binding, EffectState, Permit
from aisecops_langchain.errors import AisecopsError, AuditError, LedgerError, PermitError
from aisecops_langchain.runtime.budgets import given_back
from aisecops_langchain.runtime.effects import Effects, KnownEffect
from aisecops_langchain.runtime.permits import is_genuine
from aisecops_langchain.runtime.ports import Charge, Clock
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.runtime.records import EffectRecord
from aisecops_langchain.sealing import Sealer

_MESSAGES: Final = {
    "already_running": "the call is running right now",
    "completed": "the call was already carried out",
    "failed": "the call was already tried and failed",
    "unknown": "the call was started before and its outcome is unknown",
}


@dataclass(frozen=True, slots=True)
class Running:
    """An effect that was begun and not ended yet."""

    key: str
    """Its key in the ledger."""
    binding: Binding
    record: EffectRecord
    version: str
    """Seal of its row in the ledger."""
    event: str
    """Id of the intent's event."""

    @property
    def permit(self) -> Permit:
        """The permit that it was begun under."""
        return self.record.permit


class Execution:
    """Begins and ends effects.

    Args:
        effects: Where their state is kept.
        recorder: Writes intents and outcomes.
        sealer: Checks permits, seals rows.
        clock: Tells whether a permit expired.
        idempotent: Whether a tool may be begun again after a crash.
        require: Raises if a stop or a warrant keeps a permitted call from beginning.
        in_force: Tells the digest of the policy in force; a permit of another policy is void.
    """

    def __init__(
        self,
        effects: Effects,
        recorder: Recorder,
        sealer: Sealer,
        clock: Clock,
        *,
        idempotent: Callable[[str], bool],
        in_force: Callable[[], str],
        require: Callable[[Binding], None],
    ) -> None:
        self._require = require
        self._effects = effects
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock
        self._idempotent = idempotent
        self._in_force = in_force
        self._here: dict[str, str] = {}
        """Version of each effect that this process carries out, by permit; empty while it is being claimed."""
        self._here_lock = threading.Lock()

    def begin(self, permit_id: str, binding: Binding) -> Running:
        """Use a permit up and record the intent; only after this returns may the tool run.

        Args:
            permit_id: The permit that state refers to.
            binding: What is about to run, computed from the call itself.

        Returns:
            The running effect.

        Raises:
            PermitError: If there is no valid, unused permit for exactly this; recorded as blocked.
            AuditWriteError: If the intent could not be made durable; the permit is spent, nothing ran.
            LedgerError: If the ledger could not be used.
        """
        try:
            running = self._claim(permit_id, binding)
        except PermitError as refusal:
            self._record_blocked(permit_id, binding, refusal)
            raise
        try:
            again = {"attempt": running.record.attempt, "idempotent": self._idempotent(binding.tool)}
            event = self._record(ExecutionStarted, running, **again)
            self._recorder.commit()
        except AisecopsError:
            try:
                self._never_ran(running)
            finally:
                self._leave(running.record)
            raise
        return replace(running, event=event)

    def complete(self, running: Running, *, result: str, label: Label) -> str:
        """Record that the tool returned.

        Args:
            running: The effect.
            result: Digest of the raw result.
            label: Label of the result as the model will see it.

        Returns:
            Id of the event.

        Raises:
            AuditWriteError: If it could not be recorded; the effect is then unknown.
            LedgerError: If it could not be kept; the effect is then unknown.
        """
        facts = {"result_digest": result, "label": label}
        return self._finish(running, EffectState.COMPLETED, ExecutionCompleted, facts)

    def fail(self, running: Running, *, error: str) -> str:
        """Record that the tool raised.

        Args:
            running: The effect.
            error: Type of the error.

        Returns:
            Id of the event.

        Raises:
            AuditWriteError: If it could not be recorded; the effect is then unknown.
            LedgerError: If it could not be kept; the effect is then unknown.
        """
        return self._finish(running, EffectState.FAILED, ExecutionFailed, {"error": error})

    def lose(self, running: Running, *, reason: str) -> str:
        """Record that nobody will see how the effect ended, as when it was cancelled under way.

        Args:
            running: The effect.
            reason: Why.

        Returns:
            Id of the event.

        Raises:
            AuditWriteError: If it could not be recorded.
            LedgerError: If it could not be kept.
        """
        return self._finish(running, EffectState.UNKNOWN, ExecutionUnknown, {"reason": reason})

    def _claim(self, permit_id: str, binding: Binding) -> Running:
        """Check the permit, and let only one thread of this process go on with it."""
        key = binding.effect_key()
        kept = self._effects.reserved_here(key)
        if kept is not None and self._clock.now() >= kept.record.permit.expires_at:
            kept = None  # what the ledger says of a permit that is no good any more decides how it is refused
        found = kept or self._read(key)
        self._check(found.record, permit_id, binding, genuine=kept is not None)
        self._require(binding)
        with self._here_lock:
            if permit_id in self._here:
                raise PermitError("already_running", _MESSAGES["already_running"])
            self._here[permit_id] = ""
        try:
            running = self._start(key, binding, found) or self._start_as_read(key, permit_id, binding)
            self._still_allowed(running)
        except BaseException:
            self._leave(found.record)
            raise
        self._here[permit_id] = running.version
        return running

    def _still_allowed(self, running: Running) -> None:
        """Look for stops once more, now that whoever orders one would see the start."""
        try:
            self._require(running.binding)
        except AisecopsError:
            self._never_ran(running)
            raise

    def _read(self, key: str) -> KnownEffect:
        found = self._effects.read(key)
        if found is None:
            raise PermitError("unknown", "no permit was issued for this call", expected="an issued permit", got="none")
        return found

    def _start_as_read(self, key: str, permit_id: str, binding: Binding) -> Running:
        """Go by the ledger where its row is not the one that was kept."""
        found = self._read(key)
        self._check(found.record, permit_id, binding)
        running = self._start(key, binding, found)
        if running is None:
            raise PermitError("used", "another worker used this permit first", expected="an unused permit")
        return running

    def _start(self, key: str, binding: Binding, found: KnownEffect) -> Running | None:
        record = found.record
        if record.state is not EffectState.RESERVED:
            self._refuse_restart(binding, found)
        if self._clock.now() >= record.permit.expires_at:
            raise PermitError("expired", "the permit has expired", remedy="propose the call again")
        owner, attempt = self._effects.owner, record.attempt + 1
        started = replace(record, state=EffectState.STARTED, owner=owner, attempt=attempt)
        new = self._effects.write(key, started, replaces=found.version, durable=True)
        return None if new is None else Running(key, binding, started, new.version, "")

    def _check(self, record: EffectRecord, permit_id: str, binding: Binding, *, genuine: bool = False) -> None:
        """Compare a permit with what is asked; one that never left this process needs no proof of being genuine."""
        permit = record.permit
        if not hmac.compare_digest(permit.id.encode(), permit_id.encode("utf-8", "surrogatepass")):
            raise PermitError("forged", "the permit is not the one that was issued", expected="the issued permit")
        if not genuine and not is_genuine(self._sealer, permit):
            raise PermitError("forged", "the permit does not carry our seal", expected="an unchanged permit")
        issued, asked = permit.binding.claims(), binding.claims()
        for claim, value in issued.items():
            if asked[claim] != value:
                raise PermitError(claim, f"the permit is for another {claim}", expected="exactly what was allowed")
        if binding.scope.policy != self._in_force():
            raise PermitError("policy", "the permit is of a policy that is no longer in force", expected="a new permit")

    def may_begin_again(self, binding: Binding, found: KnownEffect) -> bool:
        """Account for an effect that was begun and has no end yet.

        Args:
            binding: What is about to be permitted or begun.
            found: The effect, in state ``started``.

        Returns:
            Whether it may be begun again: whoever began it is gone, its tool is idempotent, its permit still good.
            If it is gone and may not, the effect is recorded as unknown.

        Raises:
            AuditWriteError: If that could not be recorded.
            LedgerError: If that could not be kept.
        """
        record = found.record
        if self._is_carried_out_elsewhere(record):
            return False
        if self._idempotent(binding.tool) and self._clock.now() < record.permit.expires_at:
            return True
        running = Running(binding.effect_key(), binding, record, found.version, "")
        self.lose(running, reason="whoever started it ended before it recorded an outcome")
        return False

    def _is_carried_out_elsewhere(self, record: EffectRecord) -> bool:
        return record.owner != self._effects.owner and self._effects.is_alive(record.owner)

    def is_carried_out(self, record: EffectRecord) -> bool:
        """Whether an effect that counts as started is under way, in this process or in another one that is alive.

        Raises:
            LedgerError: If that cannot be told.
        """
        return self.is_running_here(record) or self._is_carried_out_elsewhere(record)

    def is_running_here(self, record: EffectRecord) -> bool:
        """Whether this very process is carrying the effect out."""
        with self._here_lock:
            return record.permit.id in self._here

    def _refuse_restart(self, binding: Binding, found: KnownEffect) -> None:
        """Refuse to begin an effect that was begun before, unless that is known to be harmless."""
        record = found.record
        if record.state is not EffectState.STARTED:
            raise PermitError(record.state.value, _MESSAGES[record.state.value])
        if self._is_carried_out_elsewhere(record):
            raise PermitError("already_running", _MESSAGES["already_running"])
        if not self.may_begin_again(binding, found):
            raise PermitError(
                "unknown", _MESSAGES["unknown"], remedy="find out whether it took place, then reconcile it"
            )

    def _finish(self, running: Running, state: EffectState, kind: _OutcomeKind, facts: dict[str, Any]) -> str:
        try:
            self._require_current(running)
            event = self._record(kind, running, **facts)
            self._end(running, state)
        finally:
            self._leave(running.record)
        return event

    def _require_current(self, running: Running) -> None:
        """Refuse to record an end for an effect that has ended; nobody else ends one that this process carries out."""
        if self._here.get(running.permit.id) == running.version:
            return
        found = self._effects.read(running.key)
        if found is None or found.version != running.version:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

    def _leave(self, record: EffectRecord) -> None:
        with self._here_lock:
            self._here.pop(record.permit.id, None)

    def _never_ran(self, running: Running) -> None:
        """Spend the permit of a call that did not run, and give back what was charged for it."""
        if running.record.attempt == 1:
            self._end(running, EffectState.FAILED, charges=given_back(running.record.charges))
        else:
            self._end(running, EffectState.UNKNOWN)  # of an earlier attempt, cut off by a crash, nobody knows

    def _end(self, running: Running, state: EffectState, *, charges: tuple[Charge, ...] = ()) -> None:
        if state not in NEXT_STATES[running.record.state]:
            raise LedgerError("an effect cannot go that way", expected="a lawful transition", got=state.value)
        ended = replace(running.record, state=state)

        def write() -> KnownEffect | None:
            return self._effects.write(running.key, ended, replaces=running.version, durable=False, charges=charges)

        try:
            kept = write()
        except LedgerError:  # as after a restart of its server; only the version that was begun is replaced, once
            kept = write() or self._kept_already(running.key, ended)
        if kept is None:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

    def _kept_already(self, key: str, ended: EffectRecord) -> KnownEffect | None:
        found = self._effects.read(key)
        return found if found is not None and found.record == ended else None

    def _record(self, kind: _OutcomeKind | type[ExecutionStarted], running: Running, **facts: Any) -> str:
        binding = running.binding
        return self._recorder.record(
            kind,
            binding.scope,
            running.permit.id,
            str(running.record.attempt),
            parents=(running.event,) if running.event else (),
            **_about(binding, running.permit.id),
            **facts,
        )

    def _record_blocked(self, permit_id: str, binding: Binding, refusal: PermitError) -> None:
        which = (binding.effect_key(), binding.call)
        shown = permit_id if permit_id.isalnum() and len(permit_id) <= 64 else "malformed"
        facts = {**_about(binding, shown), "code": refusal.code, "reason": refusal.message}
        try:
            self._recorder.record(ExecutionBlocked, binding.scope, shown, *which, refusal.code, **facts)
        except AuditError:
            raise refusal from None  # nothing ran; the refusal stands whether or not it could be written


_OutcomeKind = type[ExecutionCompleted] | type[ExecutionFailed] | type[ExecutionUnknown]


def _about(binding: Binding, permit_id: str) -> dict[str, Any]:
    return {
        "plan": binding.plan,
        "call_id": binding.call_id,
        "tool": binding.tool,
        "call": binding.call,
        "permit": permit_id,
    }
