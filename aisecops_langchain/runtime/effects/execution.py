"""Effects: begun only under a permit, ended by what really happened, never begun twice.

Invariant: before a tool runs, its permit was used up in the ledger and the intent is durable in the log. An effect
whose end nobody saw is ``unknown`` and stays so until someone reconciles it; it is begun again only where policy
declares its tool idempotent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aisecops_langchain.domain.events import (
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
)
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.permit import Binding, EffectState
from aisecops_langchain.errors import AisecopsError, LedgerError, PermitError
from aisecops_langchain.runtime.effects.claims import Claims
from aisecops_langchain.runtime.effects.ends import Ends
from aisecops_langchain.runtime.effects.events import record_blocked, record_effect
from aisecops_langchain.runtime.effects.late import LateResults
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.effects.running import Running, Underway
from aisecops_langchain.runtime.ports import Clock
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer


class Execution:
    """Begins and ends effects.

    Args:
        effects: Where their state is kept.
        recorder: Writes intents and outcomes.
        sealer: Checks permits, seals rows.
        clock: Tells whether a permit expired.
        idempotent: Whether a tool may be begun again after a crash.
        require: Raises if a stop, a warrant or the grant of a permit keeps a permitted call from beginning.
        in_force: Tells the digest of the policy in force; a permit of another policy is void.

    Attributes:
        claims: Uses permits up, and tells who carries an effect out.
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
        require: Callable[[Binding, str | None], None],
    ) -> None:
        self._effects = effects
        self._recorder = recorder
        self._idempotent = idempotent
        self._underway = Underway()
        self._ends = Ends(effects, recorder, self._underway)
        self.claims = Claims(
            effects,
            self._ends,
            self._underway,
            sealer,
            clock,
            idempotent=idempotent,
            in_force=in_force,
            require=require,
        )
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
            running = self.claims.claim(permit_id, binding)
        except PermitError as refusal:
            record_blocked(self._recorder, permit_id, binding, refusal)
            raise
        try:
            event = self._record_intent(running)
        except AisecopsError:
            try:
                self._ends.never_ran(running)
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
        self.claims.require_repeatable(running)
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
        return self._ends.finish(running, EffectState.COMPLETED, ExecutionCompleted, facts)

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
        return self._ends.finish(running, EffectState.FAILED, ExecutionFailed, {"error": error})

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
        return self._ends.finish(running, EffectState.UNKNOWN, ExecutionUnknown, {"reason": reason})

    def _record_intent(self, running: Running) -> str:
        """Make durable what is about to run."""
        attempt = {"attempt": running.record.attempt, "idempotent": self._idempotent(running.binding.tool)}
        key = running.idempotency_key
        event = record_effect(self._recorder, ExecutionStarted, running, **attempt, idempotency_key=key)
        self._recorder.commit()
        return event
