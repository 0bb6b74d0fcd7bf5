"""Standing grants: kept with the approval that gave them, counted with the permits on them, revocable at any time.

Invariant: a use is charged in the transaction that issues its permit, within the grant's count and sums or not at all.
A revocation is durable before ``revoke`` returns; whoever begins an effect looks for it after its start was written. So
no effect begins on a grant that was revoked before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.decision import Decision
from aisecops_langchain.domain.grant import (
    GrantEntry,
    GrantState,
    StandingGrant,
    grant_place,
)
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import GrantError, LedgerError, PermitError
from aisecops_langchain.runtime.grants.bounds import amounts_of, answers_for, excesses
from aisecops_langchain.runtime.grants.events import end_event, given_event, revoked_event
from aisecops_langchain.runtime.grants.registers import GrantRegisters
from aisecops_langchain.runtime.ledger.records import EffectRecord
from aisecops_langchain.runtime.ports import Change, Charge, Clock, Ledger
from aisecops_langchain.runtime.recorder import Recorder
from aisecops_langchain.sealing import Sealer

_ATTEMPTS: Final = 50
_MOST: Final = 32
"""Grants that one place keeps at a time."""
_OVER: Final = {GrantState.REVOKED: "grant_revoked", GrantState.EXPIRED: "grant_expired"}


@dataclass(frozen=True, slots=True)
class GrantUse:
    """A grant that covers a call, and what the call is charged."""

    grant: StandingGrant
    amounts: dict[str, int]
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True)
class GrantStanding:
    """A grant as it stands now."""

    entry: GrantEntry
    state: GrantState
    """Counted now; the entry may not say yet that it expired or was used up."""
    used: int
    spent: dict[str, int]
    """By argument with a ceiling, in millionths."""


class StandingGrants:
    """The one service through which grants are given, found, used and revoked.

    Args:
        ledger: Where they lie.
        recorder: Writes what becomes of them.
        sealer: Seals them.
        clock: Tells when they end.
    """

    def __init__(self, ledger: Ledger, recorder: Recorder, sealer: Sealer, clock: Clock) -> None:
        self._ledger = ledger
        self._registers = GrantRegisters(ledger, sealer)
        self._recorder = recorder
        self._clock = clock
        self._latest = 0

    def keeping(self, grant: StandingGrant) -> Change:
        """Prepare the change that puts a grant beside the others of its place.

        Args:
            grant: The grant.

        Returns:
            The change, for the transaction that keeps the approval; it conflicts where the place changed meanwhile.

        Raises:
            GrantError: If too many stand there.
            LedgerError: If the ledger cannot be read, or what it holds was edited.
        """
        now, known = self._now(), self._registers.read(grant.place())
        kept = [entry for entry in known.entries if now < entry.grant.expires_at]
        if len(kept) >= _MOST:
            raise GrantError("too_many", "too many grants stand for this tool", expected=f"at most {_MOST}")
        return self._registers.change(known, [*kept, GrantEntry(grant=grant)])

    def record_given(self, grant: StandingGrant) -> None:
        """Write a grant to the log; writing it again writes nothing.

        Args:
            grant: The grant as kept.

        Raises:
            AuditWriteError: If it could not be written.
        """
        self._recorder.write([given_event(self._recorder, grant)])
        self._recorder.commit()

    def find(
        self, binding: Binding, call: CanonicalCall, decision: Decision, before: EffectRecord | None
    ) -> GrantUse | None:
        """Find a grant that lets a call run without a person.

        Args:
            binding: What a permit would be good for.
            call: The call.
            decision: What policy answered for this very call: what it takes from a person, and lets one grant.
            before: The effect of this step, where it was permitted before.

        Returns:
            The grant to use; the one that the step was charged to already, if it still covers the call.

        Raises:
            LedgerError: If the ledger cannot be read, or what it holds was edited.
            AuditWriteError: If a grant is over, and that could not be recorded; or its giving was not.
            ClockError: If there is no time.
        """
        if decision.grants is None:
            return None
        same = before.grant if before else None
        own = dict(before.charges) if before else {}
        for place in (grant_place(binding, any_thread=False), grant_place(binding, any_thread=True)):
            usable = [entry for entry in self._standing_at(place, binding.scope) if _suits(entry.grant, decision)]
            for entry in sorted(usable, key=lambda item: (item.grant.id != same, item.grant.expires_at, item.grant.id)):
                if entry.state is not GrantState.LIVE and entry.grant.id != same:
                    continue
                amounts = amounts_of(entry.grant, call)
                use = None if amounts is None else self._use(entry.grant, amounts, own)
                if use is not None:
                    return use
        return None

    def require(self, grant_id: str, binding: Binding) -> None:
        """Refuse to begin what was permitted under a grant that was taken back or is not there any more.

        Args:
            grant_id: The grant that the permit rests on.
            binding: What is about to begin.

        Raises:
            PermitError: If it may not begin.
            LedgerError: If that cannot be told.
        """
        for any_thread in (False, True):
            for entry in self._registers.read(grant_place(binding, any_thread=any_thread)).entries:
                if entry.grant.id == grant_id:
                    if entry.state in _OVER:
                        raise PermitError(_OVER[entry.state], f"the grant that allowed this call is {entry.state}")
                    return
        raise PermitError("grant_unknown", "the grant that allowed this call is not there", expected="a live grant")

    def revoke(self, grant_id: str, *, by: str, reason: str = "") -> GrantStanding:
        """Take a grant back; revoking it again keeps the first word.

        Args:
            grant_id: Which one.
            by: Who takes it back, for the record.
            reason: Why, for the record.

        Returns:
            The grant as it stands.

        Raises:
            GrantError: If there is no such grant, or nobody takes it back.
            LedgerError: If it could not be made durable.
            AuditWriteError: If it could not be recorded; it is revoked all the same.
        """
        if not by.strip():
            raise GrantError("nobody", "nobody takes this grant back", expected="who revokes it, for the record")
        entry = self._revoke(grant_id, by=by[:200], reason=reason[:500])
        self._recorder.write([revoked_event(self._recorder, entry)])
        self._recorder.commit()
        return self._counted(entry)

    def all(self) -> tuple[GrantStanding, ...]:
        """Return every grant that the ledger still keeps, the earliest given first.

        Raises:
            LedgerError: If the ledger cannot be read, or what it holds was edited.
        """
        found = [self._counted(entry) for known in self._registers.every() for entry in known.entries]
        return tuple(sorted(found, key=lambda item: (item.entry.grant.given_at, item.entry.grant.id)))

    def get(self, grant_id: str) -> GrantStanding:
        """Return one grant.

        Raises:
            GrantError: If the ledger keeps no such grant.
            LedgerError: If the ledger cannot be read, or what it holds was edited.
        """
        found = next((item for item in self.all() if item.entry.grant.id == grant_id), None)
        if found is None:
            raise _unknown()
        return found

    def _use(self, grant: StandingGrant, amounts: dict[str, int], own: dict[str, int]) -> GrantUse | None:
        """Prepare a use, unless it is known not to fit; whether it does is settled when it is charged."""
        charges = [Charge(_counter(grant, ""), 1, grant.uses)]
        charges += [Charge(_counter(grant, name), amount, grant.up_to[name]) for name, amount in amounts.items()]
        found = self._ledger.balances([charge.counter for charge in charges])
        for charge in charges:
            used = found.get(charge.counter, 0) - own.get(charge.counter, 0)
            if charge.limit is None or not 0 <= used <= charge.limit - charge.amount:
                return None
        if not found.get(charges[0].counter, 0):
            self.record_given(grant)  # before the first permit on it, even if a crash lost it when it was given
        return GrantUse(grant, amounts, tuple(charges))

    def _standing_at(self, place: str, scope: Scope) -> Iterator[GrantEntry]:
        """Yield the grants of a place that are not over; that one is over is kept, so that no clock revives it."""
        now, known = self._now(), self._registers.read(place)
        entries = [self._aged(entry, now) for entry in known.entries]
        over = [entry for entry, before in zip(entries, known.entries, strict=True) if entry is not before]
        if over and self._ledger.apply([self._registers.change(known, entries)], durable=True):
            self._recorder.write([end_event(self._recorder, entry, scope) for entry in over])
        return (entry for entry in entries if entry.state not in _OVER and entry.grant.given_at <= now)

    def _aged(self, entry: GrantEntry, now: int) -> GrantEntry:
        if entry.state is not GrantState.LIVE:
            return entry
        state = self._counted(entry, now).state
        return entry if state is entry.state else entry.model_copy(update={"state": state, "ended_at": now})

    def _counted(self, entry: GrantEntry, now: int | None = None) -> GrantStanding:
        grant, state = entry.grant, entry.state
        found = self._ledger.balances([_counter(grant, ""), *(_counter(grant, name) for name in grant.up_to)])
        used, spent = found.get(_counter(grant, ""), 0), {n: found.get(_counter(grant, n), 0) for n in grant.up_to}
        if state is GrantState.LIVE and (self._now() if now is None else now) >= grant.expires_at:
            state = GrantState.EXPIRED
        elif state is GrantState.LIVE and (
            used >= grant.uses or any(spent[n] >= m > 0 for n, m in grant.up_to.items())
        ):
            state = GrantState.EXHAUSTED
        return GrantStanding(entry, state, used, spent)

    def _revoke(self, grant_id: str, *, by: str, reason: str) -> GrantEntry:
        for _ in range(_ATTEMPTS):
            places = ((known, entry) for known in self._registers.every() for entry in known.entries)
            known, entry = next((item for item in places if item[1].grant.id == grant_id), (None, None))
            if known is None or entry is None:
                raise _unknown()
            if entry.state is GrantState.REVOKED:
                return entry
            ended = {"state": GrantState.REVOKED, "by": by, "reason": reason, "ended_at": self._now()}
            revoked = entry.model_copy(update=ended)
            entries = [revoked if item is entry else item for item in known.entries]
            if self._ledger.apply([self._registers.change(known, entries)], durable=True):
                self._registers.read(known.place)  # from here on this process takes no older register
                return revoked
        raise LedgerError("the grants of this place keep changing", expected="to be the next to write them once")

    def _now(self) -> int:
        """Tell the time, but never an earlier one than was told before."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest


def _suits(grant: StandingGrant, decision: Decision) -> bool:
    return answers_for(grant, decision.approvals) and not any(excesses(grant, decision.grants))


def _counter(grant: StandingGrant, argument: str) -> str:
    return digest_texts("grant counter", grant.id, argument)


def _unknown() -> GrantError:
    return GrantError("unknown", "there is no such grant", expected="the id of a grant that the ledger keeps")
