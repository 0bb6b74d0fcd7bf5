"""The ledger held against the log: whether every row is there that the log tells of, and none is older than it tells.

Invariant: nothing is written. A deleted row leaves no trace in the ledger, and a row that was put back carries a good
seal; the log is chained and signed, so it remembers both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial

from aisecops_langchain.domain.grant import GrantRegister, GrantState
from aisecops_langchain.domain.permit import ApprovalState, EffectState
from aisecops_langchain.domain.stop import StopRegister
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ledger.records import ApprovalRecord, EffectRecord, Record, open_row
from aisecops_langchain.runtime.ledger.told import Teller, Told, ToldApproval, ToldEffect
from aisecops_langchain.runtime.ports import Ledger, Row, Table
from aisecops_langchain.runtime.principals.stops import REGISTER
from aisecops_langchain.sealing import Sealer


class Fault(StrEnum):
    """What is wrong with a row that the log tells of."""

    MISSING = "missing"
    """It is not there."""
    OLDER = "older"
    """It says less than the log: an older one was put back."""
    REPLACED = "replaced"
    """It holds another permit than the effect was begun under: the row was taken away, and the call permitted anew."""
    EDITED = "edited"
    """It does not carry our seal, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not as the log tells."""

    table: Table
    key: str
    """Of the row; of a grant its id, because the grants of one place share a row."""
    fault: Fault
    by: Teller
    """The event that tells of the row."""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """What came of a comparison."""

    expected: dict[Table, int]
    """How many rows, or grants, the log tells of."""
    findings: tuple[Finding, ...]
    unused: int
    """Permits without a row and without a start: a loss of power can take them, and nothing ran on them."""

    @property
    def ok(self) -> bool:
        """Whether the ledger holds all that the log tells of."""
        return not self.findings


def crosscheck(told: Told, ledger: Ledger, sealer: Sealer, *, now: datetime) -> CrossCheck:
    """Hold a ledger against what the log tells.

    Args:
        told: What the log tells; read before the ledger, so that a run under way is no fault.
        ledger: The ledger.
        sealer: Knows its seals.
        now: The time, which decides whether a grant may have been forgotten.

    Returns:
        Every row that is not as it should be.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    expected = {
        Table.EFFECTS: len(told.effects),
        Table.APPROVALS: len(told.approvals),
        Table.GRANTS: len(told.grants),
        Table.STOPS: int(told.stops is not None),
    }
    begun = _rows(ledger, Table.EFFECTS, told.effects.keys() | told.unused)
    asked = _rows(ledger, Table.APPROVALS, told.approvals.keys())
    findings = [
        *_effects(told, begun, sealer),
        *_approvals(told, asked, sealer),
        *_grants(told, ledger, sealer, now),
        *_stops(told, ledger, sealer),
    ]
    return CrossCheck(expected, tuple(findings), len(told.unused - begun.keys()))


def _rows(ledger: Ledger, table: Table, keys: Collection[str]) -> dict[str, Row]:
    """Read rows in one go; to ask a server for each would take longer than all else."""
    return {row.key: row for row in ledger.scan(table) if row.key in keys} if keys else {}


def _effects(told: Told, rows: Mapping[str, Row], sealer: Sealer) -> Iterator[Finding]:
    for key, effect in told.effects.items():
        fault = _fault(rows.get(key), sealer, EffectRecord, partial(_judge_effect, effect))
        if fault is not None:
            yield Finding(Table.EFFECTS, key, fault, effect.by)


def _judge_effect(told: ToldEffect, record: EffectRecord) -> Fault | None:
    if told.permits != {record.permit.id}:
        return Fault.REPLACED
    return Fault.OLDER if record.state is EffectState.RESERVED else None


def _approvals(told: Told, rows: Mapping[str, Row], sealer: Sealer) -> Iterator[Finding]:
    for key, approval in told.approvals.items():
        fault = _fault(rows.get(key), sealer, ApprovalRecord, partial(_judge_approval, approval))
        if fault is not None:
            yield Finding(Table.APPROVALS, key, fault, approval.by)


def _judge_approval(told: ToldApproval, record: ApprovalRecord) -> Fault | None:
    return Fault.OLDER if told.settled and record.state is ApprovalState.PENDING else None


def _grants(told: Told, ledger: Ledger, sealer: Sealer, now: datetime) -> Iterator[Finding]:
    """Look for each grant in all registers, because the log does not tell in which place it stands."""
    if not told.grants:
        return
    states: dict[str, GrantState] = {}
    unreadable = False
    for row in ledger.scan(Table.GRANTS):
        try:
            states |= {entry.grant.id: entry.state for entry in open_row(sealer, row, GrantRegister).entries}
        except LedgerError:
            unreadable = True
    for grant, given in told.grants.items():
        state = states.get(grant)
        if state is None and now < given.expires_at:
            yield Finding(Table.GRANTS, grant, Fault.EDITED if unreadable else Fault.MISSING, given.by)
        elif state not in (None, GrantState.REVOKED) and grant in told.revoked:
            yield Finding(Table.GRANTS, grant, Fault.OLDER, given.by)


def _stops(told: Told, ledger: Ledger, sealer: Sealer) -> Iterator[Finding]:
    if told.stops is None:
        return
    epoch, by = told.stops
    row = ledger.get(Table.STOPS, REGISTER)
    fault = _fault(row, sealer, StopRegister, lambda record: Fault.OLDER if record.epoch < epoch else None)
    if fault is not None:
        yield Finding(Table.STOPS, REGISTER, fault, by)


def _fault(
    row: Row | None, sealer: Sealer, kind: type[Record], judge: Callable[[Record], Fault | None]
) -> Fault | None:
    if row is None:
        return Fault.MISSING
    try:
        return judge(open_row(sealer, row, kind))
    except LedgerError:
        return Fault.EDITED
