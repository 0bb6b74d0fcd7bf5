"""What the runtime needs from the world: a clock, a ledger, a log and the contracts of the tools.

Invariant: every port fails by raising; a caller that catches nothing fails closed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeGuard, runtime_checkable

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.errors import AisecopsError, LedgerError


class ClockError(AisecopsError):
    """The clock gives no usable time, so nothing can be given an expiry."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Return nanoseconds since the Unix epoch.

        Raises:
            ClockError: If there is no usable time.
        """
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return time.time_ns()


class CheckedClock:
    """A clock whose every reading was checked: a reading that is no time must not count as 'not expired yet'.

    Args:
        clock: The clock to read.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> int:
        """Return nanoseconds since the Unix epoch.

        Raises:
            ClockError: If the clock raises, or tells anything but a time after 1970.
        """
        try:
            now = self._clock.now()
        except Exception as error:
            raise ClockError("the clock cannot be read", expected="a time", got=type(error).__name__) from error
        if type(now) is not int or now <= 0:
            raise ClockError("the clock gives no usable time", expected="nanoseconds since 1970", got=repr(now)[:40])
        return now


@runtime_checkable
class DescribedTool(Protocol):
    """What a tool says of itself; a contract may leave it out, and then nothing is known."""

    @property
    def description(self) -> str:
        """The tool's own words."""
        ...

    @property
    def documented_names(self) -> frozenset[str]:
        """Names that its documentation gives to keys and constants inside its arguments."""
        ...

    @property
    def profile(self) -> ToolProfile | None:
        """What the tool's own code declares."""
        ...


def is_described(tool: object) -> TypeGuard[DescribedTool]:
    """Tell whether a tool is a ``DescribedTool``; its class nearly always says so, and asking the object is costly.

    Args:
        tool: Any tool.

    Returns:
        Whether it is one.
    """
    return _describes(type(tool)) or isinstance(tool, DescribedTool)


def _describes(kind: type) -> bool:
    return isinstance(vars(kind).get("description"), property) and isinstance(vars(kind).get("profile"), property)


class ToolContract(Protocol):
    """What must be known of a tool before a call of it can be decided on."""

    @property
    def name(self) -> str:
        """The name under which models and policy know the tool."""
        ...

    def definition(self) -> str:
        """Return the digest of name, description and schema as they are now."""
        ...

    def canonical_arguments(self, raw: Mapping[str, object]) -> dict[str, JsonValue]:
        """Pass raw arguments through the tool's schema once.

        Args:
            raw: What the model proposed.

        Returns:
            Plain JSON arguments, coerced and with defaults.

        Raises:
            InvalidCallError: If an argument is unknown, missing or refused by the schema.
            CanonicalizationError: If an argument has no canonical form.
        """
        ...


class AuditSink(Protocol):
    """Where events go; ``audit.AuditLog`` is one."""

    def append_lines(self, events: Sequence[tuple[str, bytes]], /) -> object:
        """Write serialised events in order; one whose id was written before is not written again.

        Args:
            events: For each its id and its JSON object, one line.

        Raises:
            AuditWriteError: If one of them could not be written.
        """
        ...

    def commit(self) -> None:
        """Make everything appended so far as durable as the sink was told to.

        Raises:
            AuditWriteError: If that failed.
        """
        ...


class Table(StrEnum):
    """The kinds of sealed rows in a ledger."""

    EFFECTS = "effects"
    APPROVALS = "approvals"
    STOPS = "stops"
    SCOPES = "scopes"
    GRANTS = "grants"
    CHECKPOINTS = "checkpoint_heads"
    PSEUDONYMS = "pseudonyms"
    MEMORIES = "memories"


@dataclass(frozen=True, slots=True)
class Row:
    """One sealed record as it lies in a ledger."""

    table: Table
    key: str
    state: str
    """Copy of the state inside the body, for queries; the body is what counts."""
    body: bytes
    """Canonical JSON."""
    seal: str
    """MAC over table, key and body; also the version that a replacement must name."""


RowId = tuple[Table, str]
"""Table and key of a row."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write to a ledger: an insert, or a replacement of exactly the version that was read."""

    row: Row
    replaces: str | None = None
    """Seal of the version to replace; ``None`` inserts and conflicts with any existing row."""
    unless: RowId | None = None
    """For an insert: another row that it conflicts with."""


MAX_CHARGE: Final = 2**53
"""No single charge is larger, so that a counter of 64 bits cannot overflow before it is full of charges."""


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount to add to a counter, as part of a transaction that must not overdraw it."""

    counter: str
    amount: int
    """At least 0 where there is a limit; below 0 gives back."""
    limit: int | None = None
    """The counter may reach this and no more; ``None`` for one that is only counted."""
    once: str | None = None
    """Name of a mark: where it is set already nothing is charged, else it is set along with the charge."""

    def __post_init__(self) -> None:
        if not -MAX_CHARGE <= self.amount <= MAX_CHARGE:
            raise LedgerError("a charge is too large to be counted", expected=f"at most {MAX_CHARGE}", got="more")


class Ledger(Protocol):
    """A store of sealed rows with compare-and-set and of counters with limits, outside the checkpointer."""

    @property
    def owner(self) -> str:
        """Identity of this process's use of the ledger."""
        ...

    def is_alive(self, owner: str) -> bool:
        """Whether the process that has this owner id still runs.

        Raises:
            LedgerError: If that cannot be told.
        """
        ...

    def get(self, table: Table, key: str) -> Row | None:
        """Read one row.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        ...

    def apply(self, changes: Sequence[Change], *, durable: bool, charges: Sequence[Charge] = ()) -> bool:
        """Apply all changes and charges or none.

        Args:
            changes: The writes.
            durable: Whether they must survive a loss of power before this returns.
            charges: What counters are charged with in the same transaction.

        Returns:
            Whether they were applied; ``False`` if a change conflicts or a charge would overdraw its counter.

        Raises:
            LedgerError: If the ledger cannot be written.
        """
        ...

    def scan(self, table: Table, *, state: str | None = None, trace: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table.

        Args:
            table: The table.
            state: Only rows of this state.
            trace: Only rows whose bodies name this run first, as ``ledger.marks`` finds it; others may be among them.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        ...

    def balances(self, counters: Sequence[str]) -> dict[str, int]:
        """Read counters.

        Args:
            counters: Their names.

        Returns:
            The values of those that were ever charged.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        ...

    def increment(self, counter: str) -> int:
        """Add one to a named counter.

        Args:
            counter: Its name.

        Returns:
            Its new value.

        Raises:
            LedgerError: If the ledger cannot be written.
        """
        ...
