"""Effects of which nobody saw the end: lists them, and settles them by a person's word or a reconciler's.

Invariant: an effect is settled once and by one word, from ``unknown`` only; one that counts as started is unknown as
soon as whoever began it is gone. The word is claimed in the effect's own row, then recorded, and only then is the
effect completed or failed, so that a crash in between leaves it unknown and the same word stands. Nothing runs here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from aisecops_langchain.domain.events import EffectResolved, ExecutionUnknown
from aisecops_langchain.domain.permit import NEXT_STATES, EffectState, Resolver
from aisecops_langchain.errors import ConfigurationError, LedgerError, ReconcileError
from aisecops_langchain.runtime.effects.facts import EffectFacts, facts_of
from aisecops_langchain.runtime.effects.idempotency import idempotency_key
from aisecops_langchain.runtime.effects.rows import Effects, KnownEffect
from aisecops_langchain.runtime.home import open_home
from aisecops_langchain.runtime.ledger.records import EffectRecord, Resolution, open_row
from aisecops_langchain.runtime.ports import Clock, Ledger, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

_LOG = logging.getLogger(__name__)

_ATTEMPTS: Final = 20
_OUTCOMES: Final = NEXT_STATES[EffectState.UNKNOWN]
_LOST: Final = "whoever started it ended before it recorded an outcome"
_REFUSALS: Final = {
    EffectState.RESERVED: "the effect was never begun",
    EffectState.STARTED: "the effect is being carried out right now",
    EffectState.COMPLETED: "the effect completed, and that was seen",
    EffectState.FAILED: "the effect failed, and that was seen",
}


class EffectReconciler(Protocol):
    """Finds out in the target system how an effect of one tool ended."""

    def __call__(self, effect: EffectFacts, /) -> str:
        """Return ``completed``, ``failed`` or ``unknown``; anything else, or an error, counts as ``unknown``."""
        ...


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What became of the effects that were unknown."""

    resolved: tuple[EffectFacts, ...]
    unknown: tuple[EffectFacts, ...]
    """Nobody could tell; a person has to find out."""


class Reconciliation:
    """Lists effects and settles unknown ones.

    Args:
        ledger: Where they lie.
        effects: Reads and writes them.
        recorder: Records how they were settled.
        sealer: Opens their rows.
        clock: Tells when.
        is_running: Whether somebody who is alive carries an effect out that counts as started.
    """

    def __init__(
        self,
        ledger: Ledger,
        effects: Effects,
        recorder: Recorder,
        sealer: Sealer,
        clock: Clock,
        *,
        is_running: Callable[[EffectRecord], bool],
    ) -> None:
        self._ledger = ledger
        self._effects = effects
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock
        self._is_running = is_running

    def find(self, state: EffectState | None = None) -> tuple[EffectFacts, ...]:
        """List effects, the earliest permitted first.

        Args:
            state: Only those in this state.

        Returns:
            What the ledger knows of each.

        Raises:
            LedgerError: If the ledger cannot be read, or a row was edited at rest.
        """
        rows = self._ledger.scan(Table.EFFECTS)  # all of them: a state edited beside a row must not hide it
        found = [self._facts(row.key, open_row(self._sealer, row, EffectRecord)) for row in rows]
        wanted = (facts for facts in found if state is None or facts.state is state)
        return tuple(sorted(wanted, key=lambda facts: (facts.permitted_at, facts.key)))

    def resolve(
        self, key: str, outcome: EffectState | str, *, by: str, reason: str = "", resolver: Resolver = Resolver.PERSON
    ) -> EffectFacts:
        """Settle an unknown effect; it stays settled and is never run again.

        Args:
            key: Which effect.
            outcome: ``completed`` or ``failed``, as it really ended in the target system.
            by: Who says so, for the record.
            reason: How that is known, for the record.
            resolver: Whose word it is.

        Returns:
            The effect as settled; asking again for the same by the same settles nothing anew.

        Raises:
            ConfigurationError: If that is no outcome, or nobody says so.
            ReconcileError: If there is no such effect, it may not be settled, or somebody else settled it first.
            AuditWriteError: If it could not be recorded; it stays unknown.
            LedgerError: If it could not be kept, or the row was edited at rest.
        """
        word = _resolution(outcome, by, reason, resolver, self._clock.now())
        settled = self._settle(key, self._claim(key, word))
        stands = settled.resolution
        if stands is None or (stands.outcome, stands.by, stands.resolver) != (word.outcome, word.by, word.resolver):
            got = f"{stands.outcome} by {stands.by}" if stands else "none"
            raise ReconcileError("somebody else settled this effect first", expected="an unsettled effect", got=got)
        return self._facts(key, settled)

    def run(self, hooks: Mapping[str, EffectReconciler]) -> ReconcileReport:
        """Ask the reconcilers about every unknown effect.

        Args:
            hooks: A reconciler for each tool that has one.

        Returns:
            What was settled, and what is still unknown.

        Raises:
            AuditWriteError: If a settlement could not be recorded; that effect stays unknown.
            LedgerError: If the ledger could not be used, or a row was edited at rest.
        """
        resolved: list[EffectFacts] = []
        unknown: list[EffectFacts] = []
        for facts in self.find(EffectState.UNKNOWN):
            if facts.resolution is not None:  # a crash came between somebody's word and its record
                resolved.append(self._facts(facts.key, self._settle(facts.key, self._read(facts.key))))
                continue
            outcome = _ask(hooks.get(facts.tool), facts)
            if outcome is None:
                unknown.append(facts)
                continue
            try:
                resolved.append(self.resolve(facts.key, outcome, by=facts.tool, resolver=Resolver.RECONCILER))
            except ReconcileError as error:
                _LOG.warning("an effect was settled by somebody else meanwhile: %s", error)
        return ReconcileReport(tuple(resolved), tuple(unknown))

    def _claim(self, key: str, word: Resolution) -> KnownEffect:
        """Put a word into the effect's row, unless another one stands there already."""
        for _ in range(_ATTEMPTS):
            known = self._read(key)
            record = known.record
            if record.resolution is not None:
                return known
            lost = record.state is EffectState.STARTED and not self._is_running(record)
            if not lost and record.state is not EffectState.UNKNOWN:
                raise ReconcileError(_REFUSALS[record.state], expected="an unknown effect", got=record.state.value)
            claimed = replace(record, state=EffectState.UNKNOWN, resolution=replace(word, lost=lost))
            new = self._effects.write(key, claimed, replaces=known.version, durable=True)
            if new is not None:
                return new
        raise LedgerError("the effect's row keeps changing", expected="to be the next to write it once")

    def _settle(self, key: str, known: KnownEffect) -> EffectRecord:
        """Record the word that was claimed, and only then let it count."""
        record, word = known.record, known.record.resolution
        if word is None or record.state is not EffectState.UNKNOWN:
            return record
        self._record(record, word)
        settled = replace(record, state=word.outcome)
        if self._effects.write(key, settled, replaces=known.version, durable=True) is not None:
            return settled
        return self._read(key).record  # somebody else recorded the same word, and let it count

    def _record(self, record: EffectRecord, word: Resolution) -> None:
        binding, permit = record.permit.binding, record.permit.id
        scope, identity = binding.scope, (permit, str(record.attempt))
        about: dict[str, Any] = {
            "plan": binding.plan,
            "call_id": binding.call_id,
            "tool": binding.tool,
            "call": binding.call,
            "permit": permit,
        }
        events = (
            [self._recorder.prepare(ExecutionUnknown, scope, *identity, **about, reason=_LOST)] if word.lost else []
        )
        how: dict[str, Any] = {"outcome": word.outcome, "by": word.by, "resolver": word.resolver, "reason": word.reason}
        parents = tuple(event[0] for event in events)
        events.append(self._recorder.prepare(EffectResolved, scope, *identity, parents=parents, **about, **how))
        self._recorder.write(events)
        self._recorder.commit()

    def _read(self, key: str) -> KnownEffect:
        known = self._effects.read(key)
        if known is None:
            raise ReconcileError("there is no such effect", expected="the key of a recorded effect", got="none")
        return known

    def _facts(self, key: str, record: EffectRecord) -> EffectFacts:
        if record.state is not EffectState.STARTED or self._is_running(record):
            return self._told(key, record)
        now = self._read(key).record  # it may have ended, or been settled, before its process was looked for
        return self._told(key, replace(now, state=EffectState.UNKNOWN) if now.state is EffectState.STARTED else now)

    def _told(self, key: str, record: EffectRecord) -> EffectFacts:
        return facts_of(key, record, idempotency_key=idempotency_key(self._sealer, key))


def checked_reconcilers(hooks: Mapping[str, EffectReconciler]) -> Mapping[str, EffectReconciler]:
    """Take a copy of reconcilers by tool.

    Args:
        hooks: What was configured.

    Returns:
        The copy.

    Raises:
        ConfigurationError: If one of them cannot be called.
    """
    for tool, hook in hooks.items():
        if not callable(hook):
            raise ConfigurationError("no reconciler", expected="a function", got=f"{tool}: {type(hook).__name__}")
    return dict(hooks)


@contextmanager
def open_reconciliation(
    home: str | os.PathLike[str], *, ledger: str | None = None, schema: str = "aisecops", clock: Clock | None = None
) -> Iterator[Reconciliation]:
    """Open the effects of a governance home for an operator; the arguments and errors are those of ``open_home``.

    Args:
        home: The directory that ``Governor.open`` was given.
        ledger: URL of the PostgreSQL ledger that it goes by, where it goes by one.
        schema: Where the tables of that ledger lie.
        clock: Tells the time; this machine's by default.

    Yields:
        The effects.
    """
    with open_home(home, ledger=ledger, schema=schema, clock=clock) as parts:
        effects = Effects(parts.ledger, parts.sealer)
        yield Reconciliation(
            parts.ledger,
            effects,
            parts.recorder,
            parts.sealer,
            parts.clock,
            is_running=lambda record: effects.is_alive(record.owner),
        )


def _ask(hook: EffectReconciler | None, facts: EffectFacts) -> EffectState | None:
    """Ask a reconciler; whatever it raises or makes up, nobody knows."""
    if hook is None:
        return None
    try:
        answer = EffectState(hook(facts))
    except Exception:  # noqa: BLE001 - a user's function
        _LOG.exception("the reconciler of %r could not tell", facts.tool)
        return None
    return answer if answer in _OUTCOMES else None


def _resolution(outcome: str, by: str, reason: str, resolver: Resolver, now: int) -> Resolution:
    try:
        told = EffectState(outcome)
        (by + reason).encode()
    except ValueError:
        told = EffectState.UNKNOWN
    if told not in _OUTCOMES or not by.strip():
        raise ConfigurationError(
            "this settles no effect", expected="completed or failed, and who says so", got=str(outcome)[:40]
        )
    return Resolution(outcome=told, by=by[:200], resolver=resolver, reason=reason[:500], at=now, lost=False)
