"""The ends of effects: recorded, then kept, in exactly the version that was begun.

Invariant: an effect ends once. Whoever finds its row changed records nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aisecops_langchain.domain.permit import NEXT_STATES, EffectState
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.decisions.budgets import given_back
from aisecops_langchain.runtime.effects.events import Outcome, record_effect
from aisecops_langchain.runtime.effects.rows import Effects, KnownEffect
from aisecops_langchain.runtime.effects.running import Running, Underway
from aisecops_langchain.runtime.ledger.records import EffectRecord
from aisecops_langchain.runtime.ports import Charge
from aisecops_langchain.runtime.recorder import Recorder


class Ends:
    """Ends effects.

    Args:
        effects: Where their state is kept.
        recorder: Writes outcomes.
        underway: What this process carries out.
    """

    def __init__(self, effects: Effects, recorder: Recorder, underway: Underway) -> None:
        self._effects = effects
        self._recorder = recorder
        self._underway = underway

    def finish(self, running: Running, state: EffectState, kind: Outcome, facts: dict[str, Any]) -> str:
        """Record an end and keep it; one that nobody saw is made durable, for no later write of the effect does it.

        Raises:
            AuditWriteError: If it could not be recorded.
            LedgerError: If it could not be kept, or the effect has ended already.
        """
        try:
            self.require_current(running)
            event = record_effect(self._recorder, kind, running, **facts)
            if state is EffectState.UNKNOWN:
                self._recorder.commit()
            self._end(running, state)
        finally:
            self._underway.leave(running.permit.id)
        return event

    def require_current(self, running: Running) -> None:
        """Refuse to record an end for an effect that has ended; nobody else ends one that this process carries out."""
        if self._underway.is_current(running):
            return
        found = self._effects.read(running.key)
        if found is None or found.version != running.version:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

    def never_ran(self, running: Running) -> None:
        """Spend the permit of a call that did not run, and give back what was charged for it."""
        if running.record.attempt == 1:
            self._end(running, EffectState.FAILED, charges=given_back(running.record.charges))
        else:
            self._end(running, EffectState.UNKNOWN)  # of an earlier attempt, cut off by a crash, nobody knows

    def _end(self, running: Running, state: EffectState, *, charges: tuple[Charge, ...] = ()) -> None:
        if state not in NEXT_STATES[running.record.state]:
            raise LedgerError("an effect cannot go that way", expected="a lawful transition", got=state.value)
        lost = state is EffectState.UNKNOWN
        ended = replace(running.record, state=state)

        def write() -> KnownEffect | None:
            return self._effects.write(running.key, ended, replaces=running.version, durable=lost, charges=charges)

        try:
            kept = write()
        except LedgerError:  # as after a restart of its server; only the version that was begun is replaced, once
            kept = write() or self._kept_already(running.key, ended)
        if kept is None:
            raise LedgerError("the effect's row changed while it ran", expected="the version that was started")

    def _kept_already(self, key: str, ended: EffectRecord) -> KnownEffect | None:
        found = self._effects.read(key)
        return found if found is not None and found.record == ended else None
