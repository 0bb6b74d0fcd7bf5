"""Claims: a permit is used up by exactly one attempt, or its use is refused with the reason.

Invariant: a permit is checked against what is asked, the policy in force, and every stop on both sides of the start;
an effect that was begun before is begun again only where that is known to be harmless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aisecops_langchain.domain.events import ExecutionUnknown
from aisecops_langchain.domain.permit import Binding, EffectState
from aisecops_langchain.errors import AisecopsError, PermitError
from aisecops_langchain.runtime.decisions.permits import require_match
from aisecops_langchain.runtime.effects.ends import Ends
from aisecops_langchain.runtime.effects.idempotency import idempotency_key
from aisecops_langchain.runtime.effects.rows import Effects, KnownEffect
from aisecops_langchain.runtime.effects.running import ALREADY_RUNNING, Running, Underway
from aisecops_langchain.runtime.ledger.records import EffectRecord
from aisecops_langchain.runtime.ports import Clock
from aisecops_langchain.sealing import Sealer

_MESSAGES: Final = {
    "completed": "the call was already carried out",
    "failed": "the call was already tried and failed",
    "unknown": "the call was started before and its outcome is unknown",
}


class Claims:
    """Uses permits up.

    Args:
        effects: Where the state of effects is kept.
        ends: Ends those that may not go on.
        underway: What this process carries out.
        sealer: Checks permits.
        clock: Tells whether a permit expired.
        idempotent: Whether a tool may be begun again.
        in_force: Tells the digest of the policy in force.
        require: Raises if a stop, a warrant or the grant of a permit keeps a permitted call from beginning.
    """

    def __init__(
        self,
        effects: Effects,
        ends: Ends,
        underway: Underway,
        sealer: Sealer,
        clock: Clock,
        *,
        idempotent: Callable[[str], bool],
        in_force: Callable[[], str],
        require: Callable[[Binding, str | None], None],
    ) -> None:
        self._effects = effects
        self._ends = ends
        self._underway = underway
        self._sealer = sealer
        self._clock = clock
        self._idempotent = idempotent
        self._in_force = in_force
        self._require = require

    def claim(self, permit_id: str, binding: Binding) -> Running:
        """Check the permit, and let only one thread of this process go on with it.

        Args:
            permit_id: The permit that state refers to.
            binding: What is about to run.

        Returns:
            The effect, started in the ledger and not in the log yet.

        Raises:
            PermitError: If there is no valid, unused permit for exactly this.
            AisecopsError: If a stop or a warrant forbids it.
            LedgerError: If the ledger could not be used.
        """
        key = binding.effect_key()
        kept = self._effects.reserved_here(key)
        if kept is not None and self._clock.now() >= kept.record.permit.expires_at:
            kept = None  # what the ledger says of a permit that is no good any more decides how it is refused
        found = kept or self._read(key)
        self._check(found.record, permit_id, binding, genuine=kept is not None)
        self._require(binding, found.record.grant)
        self._underway.enter(permit_id)
        try:
            running = self._start(key, binding, found) or self._start_as_read(key, permit_id, binding)
            self._still_allowed(running)
        except BaseException:
            self._underway.leave(found.record.permit.id)
            raise
        self._underway.set(running)
        return running

    def require_repeatable(self, running: Running) -> None:
        """Raise unless one more attempt of an effect that this process carries out may begin now.

        Args:
            running: The effect.

        Raises:
            PermitError: If its tool is not idempotent, its permit has expired or its policy is not in force.
            AisecopsError: If a stop or a warrant forbids it.
            LedgerError: If it has ended.
        """
        self._ends.require_current(running)
        if not self._idempotent(running.binding.tool):
            raise PermitError("retry", "the tool is not declared idempotent", expected="one attempt")
        self._check(running.record, running.permit.id, running.binding, genuine=True)
        self._require_unexpired(running.record)
        self._require(running.binding, running.record.grant)

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
        lost = {"reason": "whoever started it ended before it recorded an outcome"}
        self._ends.finish(running, EffectState.UNKNOWN, ExecutionUnknown, lost)
        return False

    def is_carried_out(self, record: EffectRecord) -> bool:
        """Whether an effect that counts as started is under way, in this process or in another one that is alive.

        Raises:
            LedgerError: If that cannot be told.
        """
        return self.is_running_here(record) or self._is_carried_out_elsewhere(record)

    def is_running_here(self, record: EffectRecord) -> bool:
        """Whether this very process is carrying the effect out."""
        return record.permit.id in self._underway

    def _still_allowed(self, running: Running) -> None:
        """Look for stops once more, now that whoever orders one would see the start."""
        try:
            self._require(running.binding, running.record.grant)
        except AisecopsError:
            self._ends.never_ran(running)
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

    def _check(self, record: EffectRecord, permit_id: str, binding: Binding, *, genuine: bool = False) -> None:
        require_match(self._sealer, record.permit, permit_id, binding, genuine=genuine)
        if binding.scope.policy != self._in_force():
            raise PermitError("policy", "the permit is of a policy that is no longer in force", expected="a new permit")

    def _is_carried_out_elsewhere(self, record: EffectRecord) -> bool:
        return record.owner != self._effects.owner and self._effects.is_alive(record.owner)

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
