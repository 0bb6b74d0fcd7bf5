"""The kill switch: what was stopped does nothing from the very next effect on, in every process that shares the ledger.

Invariant: an order is durable in the ledger before ``order`` returns; whoever begins an effect looks for orders after
its start was written, and whoever orders a stop looks for started effects after the order was written. So each effect
either sees the stop and does not run, or stands in the stop's report.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.events import StopLifted, StopOrdered, StopReported
from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.stop import StopKind, StopOrder, StopRegister, stop_targets
from aisecops_langchain.errors import ConfigurationError, LedgerError
from aisecops_langchain.runtime.ledger.records import EffectRecord, close_row, open_row
from aisecops_langchain.runtime.ports import Change, Clock, Ledger, Row, Table
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

REGISTER: Final = "register"
"""Key of the only row of stops."""
_ATTEMPTS: Final = 50
_OPERATOR: Final = Principal(agent="operator", user="operator", tenant="governance")
_NO_POLICY: Final = "none"

Standing = dict[tuple[str, str], StopOrder]


@dataclass(frozen=True, slots=True)
class StoppedEffect:
    """One effect that a stop is about."""

    tool: str
    call_id: str
    thread: str
    agent: str
    tenant: str
    permit: str


@dataclass(slots=True)
class StopReport:
    """What a stop found in the ledger right after it stood."""

    order: StopOrder
    epoch: int
    stopped: list[StoppedEffect] = field(default_factory=list)
    """Permitted and never begun; they will not run."""
    running: list[StoppedEffect] = field(default_factory=list)
    """Begun before the stop by a process that is alive; a tool under way is not torn down."""
    unknown: list[StoppedEffect] = field(default_factory=list)
    """Begun, and nobody saw the end."""
    ran: list[StoppedEffect] = field(default_factory=list)
    """Completed before the stop."""
    failed: list[StoppedEffect] = field(default_factory=list)
    """Failed before the stop, or refused at the last moment by it."""


class Stops:
    """Orders, lifts and looks up stops.

    Args:
        ledger: Where the register lies, and the effects to report.
        recorder: Writes orders to the log.
        sealer: Seals the register.
        clock: Tells when.
    """

    def __init__(self, ledger: Ledger, recorder: Recorder, sealer: Sealer, clock: Clock) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._sealer = sealer
        self._clock = clock
        self._seen: tuple[str, int, Standing] = ("", 0, {})

    def find(self, scope: Scope) -> StopOrder | None:
        """Find an order that forbids anything to happen in a scope; one read of the ledger.

        Args:
            scope: Where something is about to happen.

        Returns:
            The order, or ``None``.

        Raises:
            LedgerError: If the ledger cannot be read, or the register was edited, removed or replaced by an older one.
        """
        standing = self._standing()
        if not standing:
            return None
        found = standing.keys() & stop_targets(scope)
        return standing[min(found)] if found else None

    def revoked(self, warrants: Iterable[str]) -> bool:
        """Whether one of some warrants was revoked; raises as ``find`` does."""
        standing = self._standing()
        return any(("warrant", warrant) in standing for warrant in warrants)

    def orders(self) -> tuple[StopOrder, ...]:
        """Return all standing orders; raises as ``find`` does."""
        return tuple(self._standing().values())

    def order(
        self, kind: StopKind | str, target: str, *, reason: str = "", by: str = "", until: int | None = None
    ) -> StopReport:
        """Stop something; ordering the same stop again keeps the first order and reports anew.

        Args:
            kind: ``run``, ``agent``, ``tenant`` or ``warrant``.
            target: Which one: a thread or a trace, a name, or the digest of a warrant.
            reason: Why, for the record.
            by: Who orders it, for the record.
            until: When the order may be forgotten, in nanoseconds since 1970.

        Returns:
            What had been permitted, begun and done by then.

        Raises:
            ConfigurationError: If it names nothing that can be stopped.
            LedgerError: If the order could not be made durable, or an effect to report was edited at rest; in the
                second case the order stands.
            AuditWriteError: If it could not be recorded; it stands all the same.
        """
        made = _order(kind, target, reason=reason, by=by, now=self._clock.now(), until=until)
        epoch = self._change(add=made)
        self._record(StopOrdered, made, epoch)
        report = self._report(made, epoch)
        self._record_report(report)
        return report

    def lift(self, kind: StopKind | str, target: str, *, reason: str = "", by: str = "") -> bool:
        """Take a stop back. The record comes first: a lift that cannot be recorded does not happen.

        Args:
            kind: What kind of thing.
            target: Which one.
            reason: Why, for the record.
            by: Who lifts it, for the record.

        Returns:
            Whether there was such a stop.

        Raises:
            LedgerError: If it could not be made durable; the stop stands.
            AuditWriteError: If it could not be recorded; the stop stands.
        """
        lifted = _order(kind, target, reason=reason, by=by, now=self._clock.now(), until=None)
        if lifted.key not in self._standing():
            return False
        self._record(StopLifted, lifted, self._load()[1] + 1)
        self._change(remove=lifted.key)
        return True

    def _record(self, event: type[StopOrdered] | type[StopLifted], order: StopOrder, epoch: int) -> None:
        self._recorder.record(
            event,
            _scope(order),
            str(epoch),
            str(order.ordered_at),
            stop=order.kind,
            target=order.target,
            reason=order.reason,
            by=order.by,
            epoch=epoch,
        )
        self._recorder.commit()

    def _record_report(self, report: StopReport) -> None:
        order = report.order
        self._recorder.record(
            StopReported,
            _scope(order),
            str(report.epoch),
            str(order.ordered_at),
            stop=order.kind,
            target=order.target,
            stopped=len(report.stopped),
            running=len(report.running),
            unknown=len(report.unknown),
            ran=len(report.ran),
            failed=len(report.failed),
        )
        self._recorder.commit()

    def _change(self, *, add: StopOrder | None = None, remove: tuple[str, str] | None = None) -> int:
        """Replace the register by one with an order more or less, against anybody else who does the same."""
        for _ in range(_ATTEMPTS):
            row, before, found = self._load()
            standing = dict(found)
            if add is not None:
                if add.key in standing:
                    return before
                standing[add.key] = add
            if remove is not None:
                standing.pop(remove, None)
            now = self._clock.now()
            kept = tuple(order for order in standing.values() if order.until is None or order.until > now)
            new = close_row(self._sealer, Table.STOPS, REGISTER, StopRegister(epoch=before + 1, orders=kept))
            if self._ledger.apply([Change(new, replaces=row.seal if row else None)], durable=True):
                return before + 1
        raise LedgerError("the register of stops keeps changing", expected="to be the next to write it once")

    def _standing(self) -> Standing:
        return self._load()[2]

    def _load(self) -> tuple[Row | None, int, Standing]:
        """Read the register; only what changed since is opened."""
        seal, epoch, standing = self._seen  # before the row, so that another thread cannot make the row look old
        row = self._ledger.get(Table.STOPS, REGISTER)
        if row is None:
            if epoch:
                raise _gone("none")
            return None, 0, standing
        if row.seal == seal:
            return row, epoch, standing
        register = open_row(self._sealer, row, StopRegister)
        if register.epoch <= epoch:
            raise _gone("an older one")
        standing = {order.key: order for order in register.orders}
        self._seen = (row.seal, register.epoch, standing)
        return row, register.epoch, standing

    def _report(self, order: StopOrder, epoch: int) -> StopReport:
        report = StopReport(order, epoch)
        places = {
            EffectState.RESERVED: report.stopped,
            EffectState.STARTED: report.running,
            EffectState.COMPLETED: report.ran,
            EffectState.FAILED: report.failed,
            EffectState.UNKNOWN: report.unknown,
        }
        for row in self._ledger.scan(Table.EFFECTS):
            record = open_row(self._sealer, row, EffectRecord)
            if order.key in stop_targets(record.permit.binding.scope):
                places[self._state_of(row, record)].append(_about(record))
        return report

    def _state_of(self, row: Row, record: EffectRecord) -> EffectState:
        """Tell how far an effect really is: one whose process is gone is not running any more."""
        if record.state is not EffectState.STARTED or self._ledger.is_alive(record.owner):
            return record.state
        now = self._ledger.get(row.table, row.key)  # it may have ended before its process did
        state = record.state if now is None else open_row(self._sealer, now, EffectRecord).state
        return EffectState.UNKNOWN if state is EffectState.STARTED else state


def _about(record: EffectRecord) -> StoppedEffect:
    binding = record.permit.binding
    who = binding.scope.principal
    return StoppedEffect(binding.tool, binding.call_id, binding.scope.thread, who.agent, who.tenant, record.permit.id)


def _order(kind: str, target: str, *, reason: str, by: str, now: int, until: int | None) -> StopOrder:
    try:
        return StopOrder(
            kind=StopKind(kind), target=target, reason=reason[:500], by=by[:200], ordered_at=now, until=until
        )
    except ValueError:
        raise ConfigurationError(
            "this cannot be stopped", expected=f"one of {', '.join(StopKind)}, and its name", got=str(kind)[:40]
        ) from None


def _scope(order: StopOrder) -> Scope:
    """Orders are no part of the run that they stop: each target has a trace of its own in the log."""
    trace = digest_texts("stop", order.kind, order.target)[7:39]
    return Scope(trace=trace, thread=f"stop-{trace}", principal=_OPERATOR, policy=_NO_POLICY)


def _gone(got: str) -> LedgerError:
    return LedgerError(
        "the register of stops is not the one that was there before",
        expected="the last register that this process saw, or a newer one",
        got=got,
        remedy="treat the ledger as tampered with; compare it with the stops in the audit log",
    )
