"""What is heard of a tool after nobody waited for it any more.

Invariant: it is evidence and nothing else. It reaches no model, settles nothing and lets nothing run; the effect stays
unknown until somebody says how it ended.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from aisecops_langchain.domain.events import ExecutionLate
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.errors import AisecopsError
from aisecops_langchain.runtime.effects.events import about
from aisecops_langchain.runtime.effects.rows import Effects
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.recorder import Recorder

_LOG = logging.getLogger(__name__)


class LateResults:
    """Keeps what comes late.

    Args:
        effects: Where an effect's state is kept.
        recorder: Writes events.
    """

    def __init__(self, effects: Effects, recorder: Recorder) -> None:
        self._effects = effects
        self._recorder = recorder

    def keep(self, running: Running, error: BaseException | None) -> None:
        """Record how a tool ended that nobody waited for; where that fails, the effect is no less unknown.

        Args:
            running: The effect, in the attempt that was lost.
            error: What the tool raised; ``None`` if it returned.
        """
        outcome = "completed" if error is None else "failed"
        try:
            self._record(running, outcome, "" if error is None else type(error).__name__)
            known = self._effects.read(running.key)
            if known is None or known.record.state is not EffectState.UNKNOWN or known.record.resolution is not None:
                return
            heard = replace(known.record, late=outcome)
            self._effects.write(running.key, heard, replaces=known.version, durable=True)
        except AisecopsError as fault:
            _LOG.warning("tool %s ended late (%s), and that was not recorded: %s", running.binding.tool, outcome, fault)

    def _record(self, running: Running, outcome: str, error: str) -> None:
        binding, permit = running.binding, running.permit.id
        self._recorder.record(
            ExecutionLate,
            binding.scope,
            permit,
            str(running.record.attempt),
            parents=(running.event,),
            **about(binding, permit),
            outcome=outcome,
            error=error,
        )
        self._recorder.commit()
