"""Effects: begun only under a permit, ended by what really happened, never begun twice.

Invariant: before a tool runs, its permit was used up in the ledger and the intent is durable in the log. An effect
whose end nobody saw is ``unknown`` and stays so until someone reconciles it; it is begun again only where policy
declares its tool idempotent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from aisecops_langchain.domain.events import (
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
)
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.permit import NEXT_STATES, Binding, EffectState
from aisecops_langchain.errors import AisecopsError, LedgerError, PermitError
from aisecops_langchain.runtime.budgets import given_back
from aisecops_langchain.runtime.effects import Effects, KnownEffect
from aisecops_langchain.runtime.execution_events import Outcome, record_blocked, record_effect
from aisecops_langchain.runtime.idempotency import idempotency_key
from aisecops_langchain.runtime.late import LateResults
from aisecops_langchain.runtime.permits import require_match
from aisecops_langchain.runtime.ports import Charge, Clock
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.runtime.records import EffectRecord
from aisecops_langchain.runtime.running import ALREADY_RUNNING, Running, Underway
from aisecops_langchain.sealing import Sealer

_MESSAGES: Final = {
    "completed": "the call was already carried out",
    "failed": "the call was already tried and failed",
    "unknown": "the call was started before and its outcome is unknown",
}


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

    Attributes:
        late: Keeps what is heard of an effect after it was lost.
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
        self._underway = Underway()
        self.late = LateResults(effects, recorder)

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
            record_blocked(self._recorder, permit_id, binding, refusal)
            raise
        try:
            event = self._record_intent(running)
        except AisecopsError:
            try:
                self._never_ran(running)
            finally:
                self._underway.leave(running.permit.id)
            raise
        return replace(running, event=event)

    def again(self, running: Running, *, error: str) -> Running:
        """Begin one more attempt of an effect whose tool raised, under the same permit.

        Args:
            running: The effect, in the attempt that raised.
            error: Type of the error.

        Returns:
            The running effect, in its next attempt; only after this returns may the tool run again.

        Raises:
            PermitError: If the tool is not idempotent, the permit has expired or its policy is not in force.
            AisecopsError: If a stop or a warrant forbids it.
            AuditWriteError: If the intent could not be made durable.
            LedgerError: If it could not be kept.
        """
        self._require_current(running)
        if not self._idempotent(running.binding.tool):
            raise PermitError("retry", "the tool is not declared idempotent", expected="one attempt")
        self._check(running.record, running.permit.id, running.binding, genuine=True)
        self._require_unexpired(running.record)
        self._require(running.binding)
        facts = {"attempt": running.record.attempt, "error": error}
        told = record_effect(self._recorder, ExecutionRetried, running, **facts)
        following = replace(running, record=replace(running.record, attempt=running.record.attempt + 1), event=told)
        event = self._record_intent(following)
        new = self._effects.write(running.key, following.record, replaces=running.version, durable=True)
        if new is None:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")
        following = replace(following, version=new.version, event=event)
        self._underway.set(following)
        return following

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
        self._underway.enter(permit_id)
        try:
            running = self._start(key, binding, found) or self._start_as_read(key, permit_id, binding)
            self._still_allowed(running)
        except BaseException:
            self._underway.leave(found.record.permit.id)
            raise
        self._underway.set(running)
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
        self._require_unexpired(record)
        owner, attempt = self._effects.owner, record.attempt + 1
        started = replace(record, state=EffectState.STARTED, owner=owner, attempt=attempt)
        new = self._effects.write(key, started, replaces=found.version, durable=True)
        return None if new is None else self._running(key, binding, KnownEffect(started, new.version))

    def _running(self, key: str, binding: Binding, known: KnownEffect) -> Running:
        return Running(key, binding, known.record, known.version, "", idempotency_key(self._sealer, key))

    def _require_unexpired(self, record: EffectRecord) -> None:
        if self._clock.now() >= record.permit.expires_at:
            raise PermitError("expired", "the permit has expired", remedy="propose the call again")

    def _record_intent(self, running: Running) -> str:
        """Make durable what is about to run."""
        attempt = {"attempt": running.record.attempt, "idempotent": self._idempotent(running.binding.tool)}
        key = running.idempotency_key
        event = record_effect(self._recorder, ExecutionStarted, running, **attempt, idempotency_key=key)
        self._recorder.commit()
        return event

    def _check(self, record: EffectRecord, permit_id: str, binding: Binding, *, genuine: bool = False) -> None:
        require_match(self._sealer, record.permit, permit_id, binding, genuine=genuine)
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
        running = self._running(binding.effect_key(), binding, found)
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
        return record.permit.id in self._underway

    def _refuse_restart(self, binding: Binding, found: KnownEffect) -> None:
        """Refuse to begin an effect that was begun before, unless that is known to be harmless."""
        record = found.record
        if record.state is not EffectState.STARTED:
            raise PermitError(record.state.value, _MESSAGES[record.state.value])
        if self._is_carried_out_elsewhere(record):
            raise PermitError("already_running", ALREADY_RUNNING)
        if not self.may_begin_again(binding, found):
            raise PermitError(
                "unknown", _MESSAGES["unknown"], remedy="find out whether it took place, then reconcile it"
            )

    def _finish(self, running: Running, state: EffectState, kind: Outcome, facts: dict[str, Any]) -> str:
        try:
            self._require_current(running)
            event = record_effect(self._recorder, kind, running, **facts)
            self._end(running, state)
        finally:
            self._underway.leave(running.permit.id)
        return event

    def _require_current(self, running: Running) -> None:
        """Refuse to record an end for an effect that has ended; nobody else ends one that this process carries out."""
        if self._underway.is_current(running):
            return
        found = self._effects.read(running.key)
        if found is None or found.version != running.version:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

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
        ended_row = self._effects.write(running.key, ended, replaces=running.version, durable=False, charges=charges)
        if ended_row is None:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")
