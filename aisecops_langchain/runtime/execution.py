"""Effects: begun only under a permit, ended by what really happened, never begun twice.

Invariant: before a tool runs, its permit was used up in the ledger and the intent is durable in the log. An effect
whose end nobody saw is ``unknown`` and stays so until someone reconciles it; it is begun again only where policy
declares its tool idempotent.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
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
from aisecops_langchain.runtime.permits import is_genuine
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.runtime.records import EffectRecord, close_row, open_row
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

    binding: Binding
    permit: Permit
    record: EffectRecord
    version: str
    """Seal of its row in the ledger."""
    event: str
    """Id of the intent's event."""


class Execution:
    """Begins and ends effects.

    Args:
        ledger: Where their state is kept.
        recorder: Writes intents and outcomes.
        sealer: Checks permits, seals rows.
        clock: Tells whether a permit expired.
        idempotent: Whether a tool may be begun again after a crash.
    """

    def __init__(
        self, ledger: Ledger, recorder: Recorder, sealer: Sealer, clock: Clock, idempotent: Callable[[str], bool]
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock
        self._idempotent = idempotent
        self._here: set[str] = set()
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
                self._end(running, EffectState.FAILED)  # nothing ran, and nothing may: the permit is spent
            finally:
                self._leave(running)
            raise
        return Running(binding, running.permit, running.record, running.version, event)

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
        row = self._ledger.get(Table.EFFECTS, binding.effect_key())
        if row is None:
            raise PermitError("unknown", "no permit was issued for this call", expected="an issued permit", got="none")
        record = open_row(self._sealer, row, EffectRecord)
        self._check(record, permit_id, binding)
        found = Running(binding, record.permit, record, row.seal, "")
        with self._here_lock:
            if record.permit.id in self._here:
                raise PermitError("already_running", _MESSAGES["already_running"])
            self._here.add(record.permit.id)
        try:
            return self._start(found)
        except BaseException:
            self._leave(found)
            raise

    def _start(self, found: Running) -> Running:
        record, binding = found.record, found.binding
        if record.state is not EffectState.RESERVED:
            self._refuse_restart(found)
        if self._clock.now() >= found.permit.expires_at:
            raise PermitError("expired", "the permit has expired", remedy="propose the call again")
        started = record.model_copy(
            update={"state": EffectState.STARTED, "owner": self._ledger.owner, "attempt": record.attempt + 1}
        )
        new = close_row(self._sealer, Table.EFFECTS, binding.effect_key(), started)
        if not self._ledger.apply([Change(new, replaces=found.version)], durable=True):
            raise PermitError("used", "another worker used this permit first", expected="an unused permit")
        return Running(binding, found.permit, started, new.seal, "")

    def _check(self, record: EffectRecord, permit_id: str, binding: Binding) -> None:
        permit = record.permit
        if not hmac.compare_digest(permit.id.encode(), permit_id.encode("utf-8", "surrogatepass")):
            raise PermitError("forged", "the permit is not the one that was issued", expected="the issued permit")
        if not is_genuine(self._sealer, permit):
            raise PermitError("forged", "the permit does not carry our seal", expected="an unchanged permit")
        issued, asked = permit.binding.claims(), binding.claims()
        for claim, value in issued.items():
            if asked[claim] != value:
                raise PermitError(claim, f"the permit is for another {claim}", expected="exactly what was allowed")

    def may_begin_again(self, binding: Binding, record: EffectRecord, version: str) -> bool:
        """Account for an effect that was begun and has no end yet.

        Args:
            binding: What is about to be permitted or begun.
            record: The effect as found, in state ``started``.
            version: Seal of its row.

        Returns:
            Whether it may be begun again: whoever began it is gone, its tool is idempotent, its permit still good.
            If it is gone and may not, the effect is recorded as unknown.

        Raises:
            AuditWriteError: If that could not be recorded.
            LedgerError: If that could not be kept.
        """
        if record.owner != self._ledger.owner and self._ledger.is_alive(record.owner):
            return False
        if self._idempotent(binding.tool) and self._clock.now() < record.permit.expires_at:
            return True
        found = Running(binding, record.permit, record, version, "")
        self.lose(found, reason="whoever started it ended before it recorded an outcome")
        return False

    def is_running_here(self, record: EffectRecord) -> bool:
        """Whether this very process is carrying the effect out."""
        with self._here_lock:
            return record.permit.id in self._here

    def _refuse_restart(self, found: Running) -> None:
        """Refuse to begin an effect that was begun before, unless that is known to be harmless."""
        record = found.record
        if record.state is not EffectState.STARTED:
            raise PermitError(record.state.value, _MESSAGES[record.state.value])
        if record.owner != self._ledger.owner and self._ledger.is_alive(record.owner):
            raise PermitError("already_running", _MESSAGES["already_running"])
        if not self.may_begin_again(found.binding, record, found.version):
            raise PermitError(
                "unknown", _MESSAGES["unknown"], remedy="find out whether it took place, then reconcile it"
            )

    def _finish(self, running: Running, state: EffectState, kind: _OutcomeKind, facts: dict[str, Any]) -> str:
        try:
            self._require_current(running)
            event = self._record(kind, running, **facts)
            self._end(running, state)
        finally:
            self._leave(running)
        return event

    def _require_current(self, running: Running) -> None:
        """Refuse to record an end for an effect that somebody else ended meanwhile."""
        row = self._ledger.get(Table.EFFECTS, running.binding.effect_key())
        if row is None or row.seal != running.version:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

    def _leave(self, running: Running) -> None:
        with self._here_lock:
            self._here.discard(running.permit.id)

    def _end(self, running: Running, state: EffectState) -> None:
        if state not in NEXT_STATES[running.record.state]:
            raise LedgerError("an effect cannot go that way", expected="a lawful transition", got=state.value)
        ended = running.record.model_copy(update={"state": state})
        row = close_row(self._sealer, Table.EFFECTS, running.binding.effect_key(), ended)
        if not self._ledger.apply([Change(row, replaces=running.version)], durable=False):
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

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
