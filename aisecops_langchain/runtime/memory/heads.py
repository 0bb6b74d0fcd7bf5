"""What each memory may say now: the ledger remembers the seals of the last writings, outside the memory store.

Invariant: a value that was lawfully replaced or erased is not accepted again. A writing counts before the store is
touched and replaces what stood there only once it is over, so that a crash between the two leaves both values lawful
and neither a false alarm nor a third. Writings that overlap may end in either order, so all of them stay lawful.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aisecops_langchain.errors import LedgerError, MemoryAccessError
from aisecops_langchain.runtime.ledger.records import MemoryHead, MemoryVersion, close_row, open_row
from aisecops_langchain.runtime.ports import Change, Ledger, Row, Table
from aisecops_langchain.sealing import Sealer

ERASED: Final = ""
"""Stands for the seal of a memory that was deleted."""

MAX_VERSIONS: Final = 8
"""Most writings of one memory that may be lawful at once; the oldest is given up, which can only refuse."""

_ATTEMPTS: Final = 50


def begun(head: MemoryHead | None, seal: str, tenant: str) -> MemoryHead:
    """Add a writing that is about to touch the store.

    Args:
        head: What the memory may say so far.
        seal: Seal of what is being written, or ``ERASED``.
        tenant: Whose memory it is, if it is nobody's yet.

    Returns:
        The next head; ``clock`` names the writing.
    """
    before = head or MemoryHead(tenant=tenant)
    clock = before.clock + 1
    versions = (*before.versions, MemoryVersion(seal=seal, began=clock))
    return MemoryHead(tenant=before.tenant, clock=clock, versions=versions[-MAX_VERSIONS:])


def settled(head: MemoryHead, began: int) -> MemoryHead:
    """Note that a writing is over: what was over before it began is not lawful any more.

    Args:
        head: What the memory may say.
        began: Names the writing.

    Returns:
        The next head.
    """
    clock = head.clock + 1
    kept = tuple(
        version.model_copy(update={"settled": clock}) if version.began == began else version
        for version in head.versions
        if not 0 < version.settled < began
    )
    return MemoryHead(tenant=head.tenant, clock=clock, versions=kept)


def accepts(head: MemoryHead | None, seal: str) -> bool:
    """Tell whether a memory may say what lies under a seal.

    Args:
        head: What it may say.
        seal: A seal that verified.

    Returns:
        Whether it is one of the last writings.
    """
    return head is not None and any(version.seal == seal for version in head.versions)


class MemoryHeads:
    """Keeps the heads in the ledger.

    Args:
        ledger: Where they lie.
        sealer: Seals each.
    """

    def __init__(self, ledger: Ledger, sealer: Sealer) -> None:
        self._ledger = ledger
        self._sealer = sealer

    def of(self, memory: str) -> MemoryHead | None:
        """Read one head.

        Args:
            memory: Which memory.

        Returns:
            The head, or ``None`` if nothing was ever written there.

        Raises:
            LedgerError: If the ledger cannot be read, or the row was edited at rest.
        """
        return self._load(memory)[1]

    def begin(self, writings: Mapping[str, str], tenant: str, *, any_tenant: bool) -> dict[str, int]:
        """Make writings lawful, all or none, before the store is touched.

        Args:
            writings: For each memory the seal of what is being written.
            tenant: Who writes.
            any_tenant: Whether memories of other tenants may be written.

        Returns:
            The name of each writing, for ``settle``.

        Raises:
            MemoryAccessError: If one of the memories is another tenant's.
            LedgerError: If they could not be made durable.
        """
        for _ in range(_ATTEMPTS):
            found = {memory: self._load(memory) for memory in writings}
            if not any_tenant and any(head is not None and head.tenant != tenant for _row, head in found.values()):
                raise MemoryAccessError(
                    "a memory belongs to somebody else",
                    expected="a memory of the same tenant",
                    got="another tenant's",
                    remedy="keep the tenant in the namespace",
                )
            heads = {memory: begun(found[memory][1], seal, tenant) for memory, seal in writings.items()}
            changes = [self._change(memory, found[memory][0], head) for memory, head in heads.items()]
            if self._ledger.apply(changes, durable=True):
                return {memory: head.clock for memory, head in heads.items()}
        raise _busy()

    def settle(self, writings: Mapping[str, int]) -> None:
        """Note that writings are over.

        Args:
            writings: For each memory what ``begin`` named it.

        Raises:
            LedgerError: If that could not be noted; what was there before stays lawful, too.
        """
        for _ in range(_ATTEMPTS):
            changes = []
            for memory, began in writings.items():
                row, head = self._load(memory)
                if head is not None:
                    changes.append(self._change(memory, row, settled(head, began)))
            if self._ledger.apply(changes, durable=False):  # lost with the power, it leaves one value more lawful
                return
        raise _busy()

    def _change(self, memory: str, row: Row | None, head: MemoryHead) -> Change:
        new = close_row(self._sealer, Table.MEMORIES, memory, head)
        return Change(new, replaces=row.seal if row else None)

    def _load(self, memory: str) -> tuple[Row | None, MemoryHead | None]:
        row = self._ledger.get(Table.MEMORIES, memory)
        return row, None if row is None else open_row(self._sealer, row, MemoryHead)


def _busy() -> LedgerError:
    return LedgerError("a memory keeps changing", expected="to be the next to write it once")
