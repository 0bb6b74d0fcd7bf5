"""What the ledger keeps of effects and approvals, and the seal that each row lies under.

Invariant: a row that was not written by a holder of the key does not open. The seal covers the table, the key and the
whole record with its state, so that neither can be edited at rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeVar, get_args

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.approval import ApprovalRequirement, Vote
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Obligation
from aisecops_langchain.domain.grant import GrantRegister, GrantTerms, StandingGrant
from aisecops_langchain.domain.permit import ApprovalState, Binding, EffectState, Permit, Resolver, VoidBy
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.domain.stop import StopRegister
from aisecops_langchain.domain.task import TaskScope
from aisecops_langchain.errors import LedgerError
from aisecops_langchain.runtime.ports import Row, Table
from aisecops_langchain.sealing import Sealer

_DOMAIN: Final = "ledger"


@dataclass(frozen=True, slots=True)
class Resolution:
    """Somebody's word on how an unknown effect ended; claimed in the effect's row before it is recorded."""

    outcome: EffectState
    by: str
    resolver: Resolver
    reason: str
    at: int
    """Nanoseconds since the Unix epoch."""
    lost: bool
    """Whether the effect still counted as started, so that losing sight of it has to be recorded, too."""


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """One effect: its permit and what became of it."""

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    permit: Permit
    state: EffectState
    owner: str = ""
    """Who started it."""
    attempt: int = 0
    """How often it was started; more than once only where the tool is declared idempotent."""
    approval: str | None = None
    grant: str | None = None
    """The standing grant that it was permitted under; begun only while that was not revoked."""
    obligations: tuple[Obligation, ...] = ()
    """What the executor owes; kept here, because state could lose them."""
    named_by_user: bool = False
    """Whether the user's own words name every target of the call, such as the very file that it reads."""
    charges: tuple[tuple[str, int], ...] = ()
    """Counters and amounts that were charged with the permit, for giving back if the call never begins."""
    late: str = ""
    """``completed`` or ``failed`` where the tool ended after nobody waited for it any more; evidence, no outcome."""
    resolution: Resolution | None = None
    """The first word on how it ended, where nobody saw it end."""

    def to_json(self, permit: bytes) -> bytes:
        """Return the record as JSON.

        Args:
            permit: The JSON text of its permit, which is the same in all versions of its row.
        """
        return orjson.dumps(self, default=lambda _permit: orjson.Fragment(permit))


Facts = dict[str, JsonValue]
"""Plain JSON."""


class Briefing(Frozen):
    """What an approver is told beside the call; sealed with the request, so that state cannot put words in it."""

    risk: str = "unknown"
    arguments: Facts | None = None
    """The canonical arguments, kept only as long as somebody may still have to read them."""
    rules: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """What policy said."""
    provenance: tuple[Facts, ...] = ()
    """For each argument its name, the integrity of its source, how it was traced, where to, and whether anybody but
    the user and the system could have written it."""
    findings: tuple[Facts, ...] = ()
    """What detectors saw in those sources, as far as this process remembers."""
    blast_radius: Facts = Field(default_factory=dict)
    """What the tool does, whether it can be undone, and which arguments say whom it reaches and how much."""
    chain: tuple[Facts, ...] = ()
    """The calls of this run that were begun before, oldest first."""
    chain_risk: float | None = None
    """The risk of the run with this call, where policy adds it up."""
    grants: GrantTerms | None = None
    """What may be granted beside the yes."""


class ApprovalRecord(Frozen):
    """One approval request and its answers."""

    binding: Binding
    briefing: Briefing = Briefing()
    state: ApprovalState
    requested_at: int
    """Nanoseconds since the Unix epoch."""
    expires_at: int
    """Nanoseconds since the Unix epoch."""
    requires: tuple[ApprovalRequirement, ...] = ()
    """What a yes takes; none means the default requirement."""
    parents: tuple[str, ...] = ()
    """Ids of the events that led to it."""
    recorded: bool = True
    """Whether the log is known to tell of it; until then nobody may answer."""
    votes: tuple[Vote, ...] = ()
    """Every yes so far, each of a person who could give one."""
    escalated: tuple[str, ...] = ()
    """Rules whose escalation was noticed."""
    last_refused: str | None = None
    """Why the last answer did not count, if it did not; told to whoever is asked next."""
    answered_at: int | None = None
    """When the answer came that settled it; nanoseconds since the Unix epoch."""
    approver: Approver | None = None
    """Who gave that answer."""
    reason: str = ""
    void_by: VoidBy | None = None
    """Why no answer could count any more, where the request is void."""
    edited_call: str | None = None
    """Digest of the call that the person put in its place, where there is one."""
    grant: StandingGrant | None = None
    """What the person granted beside his yes."""
    response: str | None = None
    """Digest of what the person said to the model instead, where that was the answer."""


class HeardRecord(Frozen):
    """A mark that the answer at one place of one execution was taken, so that a replay of it is not taken again."""

    state: Literal["heard"] = "heard"
    approval: str


class ScopeRecord(Frozen):
    """What a run's words were read to ask for, where another reading could come to something else."""

    state: Literal["fixed"] = "fixed"
    task: TaskScope


class PseudonymRecord(Frozen):
    """What a pseudonym stands for."""

    state: Literal["kept"] = "kept"
    kind: str
    """The class of the value."""
    value: str
    """The value, encrypted, in base64."""


class MemoryVersion(Frozen):
    """One thing that a memory may lawfully say."""

    seal: str
    """The seal that it lies under; empty where the memory was erased."""
    began: int
    """When its writing began, by the clock of the record."""
    settled: int = 0
    """When its writing was known to be over, by the same clock; 0 while it may be under way."""


class MemoryHead(Frozen):
    """What one memory may say now, and whose it is."""

    state: Literal["memory"] = "memory"
    tenant: str
    clock: int = 0
    """Counts what happened to this memory."""
    versions: tuple[MemoryVersion, ...] = ()


class ThreadLife(Frozen):
    """How often a thread was deleted; what was stored in an earlier life is void."""

    state: Literal["life"] = "life"
    life: int


class CheckpointHead(Frozen):
    """The newest checkpoint of one thread and namespace."""

    state: Literal["head"] = "head"
    life: int
    """The life of the thread that it belongs to."""
    checkpoint: str
    """Its id; empty where pruning left none."""
    sequence: int
    """Its place in the order of storing."""
    seal: str
    root: str = ""
    """Where history was pruned: the oldest checkpoint that is left."""
    revision: int = 0
    """How often this record was replaced, in all lives."""


class CheckpointWrites(Frozen):
    """The writes that wait at one checkpoint."""

    state: Literal["writes"] = "writes"
    life: int
    revisions: dict[str, dict[int, int]]
    """For each task the indexes of its writes, and how often each was written."""


AnyRecord = (
    EffectRecord
    | ApprovalRecord
    | HeardRecord
    | StopRegister
    | ScopeRecord
    | GrantRegister
    | ThreadLife
    | CheckpointHead
    | CheckpointWrites
    | PseudonymRecord
    | MemoryHead
)
Record = TypeVar(
    "Record",
    EffectRecord,
    ApprovalRecord,
    HeardRecord,
    StopRegister,
    ScopeRecord,
    GrantRegister,
    ThreadLife,
    CheckpointHead,
    CheckpointWrites,
    PseudonymRecord,
    MemoryHead,
)

_FORMS: Final[Mapping[type, TypeAdapter[Any]]] = {kind: TypeAdapter(kind) for kind in get_args(AnyRecord)}


def close_row(
    sealer: Sealer,
    table: Table,
    key: str,
    record: AnyRecord,
    body: bytes | None = None,
) -> Row:
    """Seal a record into a row.

    Args:
        sealer: Holds the key.
        table: Where the row lies.
        key: Its key there.
        record: What it says.
        body: The record's JSON, where it was made already.

    Returns:
        The row.
    """
    if body is None:
        body = _FORMS[type(record)].dump_json(record)
    return Row(table=table, key=key, state=record.state, body=body, seal=_seal(sealer, table, key, body))


def open_row(sealer: Sealer, row: Row, kind: type[Record]) -> Record:
    """Check a row's seal and read its record.

    Args:
        sealer: Holds the key.
        row: The row as found.
        kind: The type of its record.

    Returns:
        The record.

    Raises:
        LedgerError: If the row was not sealed with this key, or holds something else.
    """
    genuine = isinstance(row.body, bytes) and isinstance(row.seal, str)
    if not genuine or not sealer.verifies(_DOMAIN, _sealed_bytes(row.table, row.key, row.body), row.seal):
        raise _edited(row)
    try:
        record: Record = _FORMS[kind].validate_json(row.body)
    except ValidationError:
        raise LedgerError(
            f"a row of {row.table} cannot be read",
            expected=kind.__name__,
            got="a record of another kind, or of another version",
            remedy="treat the ledger as tampered with; do not delete it, compare it with the audit log",
        ) from None
    if row.state != record.state:
        raise _edited(row)
    return record


def _edited(row: Row) -> LedgerError:
    return LedgerError(
        f"a row of {row.table} does not carry our seal",
        expected="a row written by this governance layer with this key",
        got="a row edited at rest, or written with another key",
        remedy="treat the ledger as tampered with; do not delete it, compare it with the audit log",
    )


def _seal(sealer: Sealer, table: Table, key: str, body: bytes) -> str:
    return sealer.seal_bytes(_DOMAIN, _sealed_bytes(table, key, body))


def _sealed_bytes(table: Table, key: str, body: bytes) -> bytes:
    return f"{table.value}:{key}:".encode() + body
