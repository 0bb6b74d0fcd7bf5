"""The ledger's rows of effects, with those that this process has just reserved kept at hand.

Invariant: what is kept only saves a read. Every write names the version that it replaces, so that a row which somebody
else changed meanwhile is never written over; whoever meets such a conflict reads the ledger and goes by that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from aisecops_langchain.domain.permit import EffectState
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.runtime.ledger.records import EffectRecord, close_row, open_row
from aisecops_langchain.runtime.ledger.texts import FrozenTexts
from aisecops_langchain.runtime.ports import Change, Charge, Ledger, RowId, Table
from aisecops_langchain.sealing import Sealer

_KEPT: Final = 1024


class KnownEffect(NamedTuple):
    """An effect as the ledger holds it, or held it when it was last read or written here."""

    record: EffectRecord
    version: str
    """Seal of its row."""


class Effects:
    """Reads and writes effects.

    Args:
        ledger: Where they lie.
        sealer: Seals their rows.
    """

    def __init__(self, ledger: Ledger, sealer: Sealer) -> None:
        self._ledger = ledger
        self._sealer = sealer
        self._texts = FrozenTexts()
        self._reserved: dict[str, KnownEffect] = {}

    @property
    def owner(self) -> str:
        """Identity of this process's use of the ledger."""
        return self._ledger.owner

    def is_alive(self, owner: str) -> bool:
        """Whether the process that began an effect still runs.

        Raises:
            LedgerError: If that cannot be told.
        """
        return owner == self._ledger.owner or self._ledger.is_alive(owner)

    def reserved_here(self, key: str) -> KnownEffect | None:
        """Return the effect that this process reserved under a key, where it has not been begun here since."""
        return self._reserved.get(key)

    def read(self, key: str) -> KnownEffect | None:
        """Read an effect from the ledger.

        Args:
            key: Its key.

        Returns:
            The effect, or ``None`` if there is none.

        Raises:
            LedgerError: If the ledger cannot be read, or the row was edited at rest.
        """
        row = self._ledger.get(Table.EFFECTS, key)
        return None if row is None else KnownEffect(open_row(self._sealer, row, EffectRecord), row.seal)

    def of_run(self, scope: Scope) -> tuple[EffectRecord, ...]:
        """List what a run began, the earliest permitted first.

        Args:
            scope: The run, by its tenant, thread and trace.

        Returns:
            The effects that were begun, however they ended.

        Raises:
            LedgerError: If the ledger cannot be read, or a row that may be of this run was edited at rest.
        """
        rows = self._ledger.scan(Table.EFFECTS, trace=scope.trace)
        records = (open_row(self._sealer, row, EffectRecord) for row in rows)
        begun = [item for item in records if item.state is not EffectState.RESERVED and _is_of(item, scope)]
        return tuple(sorted(begun, key=lambda item: (item.permit.issued_at, item.permit.id)))

    def write(
        self,
        key: str,
        record: EffectRecord,
        *,
        replaces: str | None,
        durable: bool,
        unless: RowId | None = None,
        beside: Sequence[Change] = (),
        charges: Sequence[Charge] = (),
    ) -> KnownEffect | None:
        """Write an effect in exactly the version that was meant.

        Args:
            key: Its key.
            record: What it is now.
            replaces: The version that it was; ``None`` for a new one.
            durable: Whether it must survive a loss of power before this returns.
            unless: A row that must not exist.
            beside: Changes that belong to the same transaction.
            charges: What budgets are charged with in the same transaction.

        Returns:
            The effect as kept, or ``None`` if anything of it conflicts or overdraws; then nothing was written.

        Raises:
            LedgerError: If the ledger cannot be written.
        """
        body = record.to_json(self._texts.of(record.permit))
        row = close_row(self._sealer, Table.EFFECTS, key, record, body)
        self._reserved.pop(key, None)
        changes = [Change(row, replaces=replaces, unless=unless), *beside]
        if not self._ledger.apply(changes, durable=durable, charges=charges):
            return None
        known = KnownEffect(record, row.seal)
        if record.state is EffectState.RESERVED:
            if len(self._reserved) >= _KEPT:
                self._reserved.clear()
            self._reserved[key] = known
        return known


def _is_of(record: EffectRecord, scope: Scope) -> bool:
    other = record.permit.binding.scope
    theirs = (other.principal.tenant, other.thread, other.trace)
    return theirs == (scope.principal.tenant, scope.thread, scope.trace)
