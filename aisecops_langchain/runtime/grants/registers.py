"""The rows of standing grants: one sealed register for each place in which grants are good.

Invariant: a register is replaced only in the version that was read, and its epoch only grows: a process that saw one
takes no older one for it, so that a revoked grant cannot be put back at rest while somebody looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from aisecops_langchain.domain.grant import GrantEntry, GrantRegister
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.records import close_row, open_row
from aisecops_langchain.runtime.ports import Change, Ledger, Row, Table
from aisecops_langchain.sealing import Sealer

_REMEMBERED: Final = 1024


class KnownRegister(NamedTuple):
    """The register of one place as the ledger holds it."""

    place: str
    row: Row | None
    """``None`` where no grant was ever given there."""
    register: GrantRegister

    @property
    def entries(self) -> tuple[GrantEntry, ...]:
        """The grants of the place."""
        return self.register.entries


class GrantRegisters:
    """Reads registers, and prepares their changes.

    Args:
        ledger: Where they lie.
        sealer: Seals them.
    """

    def __init__(self, ledger: Ledger, sealer: Sealer) -> None:
        self._ledger = ledger
        self._sealer = sealer
        self._epochs: dict[str, int] = {}

    def read(self, place: str) -> KnownRegister:
        """Read the register of a place.

        Args:
            place: See ``domain.grant.grant_place``.

        Returns:
            The register; an empty one where there is none.

        Raises:
            LedgerError: If the ledger cannot be read, or the register was edited, removed or put back.
        """
        seen = self._epochs.get(place, 0)  # before the row, so that another thread cannot make the row look old
        row = self._ledger.get(Table.GRANTS, place)
        if row is None:
            if seen:
                raise _replaced("none")
            return KnownRegister(place, None, GrantRegister(epoch=0))
        return self._opened(row, seen)

    def every(self) -> Iterator[KnownRegister]:
        """Yield the registers of all places; raises as ``read`` does."""
        for row in self._ledger.scan(Table.GRANTS):
            yield self._opened(row, 0)

    def change(self, known: KnownRegister, entries: Collection[GrantEntry]) -> Change:
        """Prepare the change of a register.

        Args:
            known: The register as it was read.
            entries: What it is to hold instead.

        Returns:
            The change; it conflicts where somebody else changed the register meanwhile.
        """
        now = GrantRegister(epoch=known.register.epoch + 1, entries=tuple(entries))
        row = close_row(self._sealer, Table.GRANTS, known.place, now)
        return Change(row, replaces=known.row.seal if known.row else None)

    def _opened(self, row: Row, seen: int) -> KnownRegister:
        register = open_row(self._sealer, row, GrantRegister)
        if register.epoch < seen:
            raise _replaced("older ones")
        if len(self._epochs) >= _REMEMBERED:
            self._epochs.clear()
        self._epochs[row.key] = max(register.epoch, self._epochs.get(row.key, 0))
        return KnownRegister(row.key, row, register)


def _replaced(got: str) -> LedgerError:
    return LedgerError(
        "the grants of this place are not those that were there before",
        expected="the last ones that this process saw, or newer ones",
        got=got,
        remedy="treat the ledger as tampered with; compare it with the grants in the audit log",
    )
