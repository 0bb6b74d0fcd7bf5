"""Budgets in the ledger: read before a call is decided on, reserved with its permit, given back if it never began.

Invariant: whatever number of workers, agents and processes draw on a budget, it is charged in the transaction that
reserves the permit, within its limit or not at all. Counters belong to tenant, user or thread as the principal and
LangGraph name them, never to anything that state or a model can choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aisecops_langchain.canonical import JsonValue, digest_texts
from aisecops_langchain.domain.decision import Decision
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.domain.usage import MICRO, MILLI, Ceiling, Usage
from aisecops_langchain.policy.bounds import CEILED, Bounds, limit_of
from aisecops_langchain.policy.bounds_model import Beyond, Budget, Measure, Per, Window
from aisecops_langchain.policy.demand import recipients_of
from aisecops_langchain.runtime.ports import Charge, Clock, Ledger

_DAY_NS: Final = 86_400 * 1_000_000_000
_SECOND_NS: Final = 1_000_000_000
_FULL: Final = 2**62
_RANKS: Final = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Demand:
    """A call as budgets see it."""

    tool: str
    arguments: Mapping[str, JsonValue]
    profile: ToolProfile
    scope: Scope
    ceilings: tuple[tuple[str, Mapping[str, int]], ...] = ()
    """Digest and ceilings of every link of the warrant that the call is made under."""


class Budgets:
    """Counts what is used.

    Args:
        ledger: Where the counters lie.
        clock: Tells the day, and the seconds since a run began.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def usage(self, bounds: Bounds, demand: Demand, own: Iterable[tuple[str, int]] = ()) -> Usage:
        """Read what stands in the ledger before a call.

        Args:
            bounds: The bounds in force.
            demand: The call.
            own: What the call itself was charged with already, when it was first permitted.

        Returns:
            What was used so far of everything that bounds it.

        Raises:
            LedgerError: If the ledger cannot be read.
            ClockError: If there is no time.
        """
        today, scope = self._clock.now() // _DAY_NS, demand.scope
        counters = {name: _counter(name, item, scope, today) for name, item in bounds.budgets.items()}
        marks = {
            name: _marks(counters[name], demand)
            for name, item in bounds.applicable(demand.tool).items()
            if item.measure is Measure.RECIPIENTS
        }
        ceilings = tuple(_ceilings(bounds, demand))
        below = {_below(item.warrant, item.budget): _ceiling_marks(bounds, item, demand) for item in ceilings}
        chain = _chain(scope)
        ranks = [_mark(chain, rank) for rank in _RANKS]
        seen = [mark for some in (*marks.values(), *below.values()) for mark in some]
        wanted = [*counters.values(), *below, *seen, chain, *ranks]
        found = self._ledger.balances(wanted)
        for counter, amount in own:
            if counter in found:
                found[counter] -= amount
        return Usage(
            used={name: self._used(bounds.budgets[name], found.get(counter)) for name, counter in counters.items()},
            fresh={name: sum(mark not in found for mark in some) for name, some in marks.items()},
            ceilings=tuple(_filled(item, found, below) for item in ceilings),
            risk=found.get(chain, 0),
            worst=max((place for place, mark in enumerate(ranks) if found.get(mark, 0) > 0), default=-1),
        )

    def charges(self, bounds: Bounds, demand: Demand, decision: Decision, *, approved: bool) -> tuple[Charge, ...]:
        """Say what a permit for a call is charged with.

        Args:
            bounds: The bounds in force.
            demand: The call.
            decision: What policy answered, with its demand and its chain step.
            approved: Whether a person let it go beyond the budgets that a person may lift.

        Returns:
            The charges, for the transaction that reserves the permit.

        Raises:
            ClockError: If there is no time.
        """
        now = self._clock.now()
        made: list[Charge] = []
        for name, amount in decision.demand.items():
            budget = bounds.budgets[name]
            counter = _counter(name, budget, demand.scope, now // _DAY_NS)
            limit = None if approved and budget.beyond is Beyond.REQUIRE_APPROVAL else limit_of(budget)
            if budget.measure is Measure.RECIPIENTS:
                made += (Charge(counter, 1, limit, once=mark) for mark in _marks(counter, demand))
            elif budget.measure is Measure.SECONDS:
                made.append(Charge(counter, now // _SECOND_NS, once=_mark(counter, "began")))
            elif amount:
                made.append(Charge(counter, amount, limit))
        made += _shared(bounds, demand, decision)
        if bounds.chain is not None and decision.chain is not None:
            chain = _chain(demand.scope)
            made.append(Charge(chain, decision.chain.added, int(bounds.chain.halt_at * MILLI)))
            made.append(Charge(_mark(chain, decision.risk), 1))
        return tuple(made)

    def meter(self, bounds: Bounds, scope: Scope, tokens: int) -> None:
        """Count what a model used.

        Args:
            bounds: The bounds in force.
            scope: The run.
            tokens: How many tokens.

        Raises:
            LedgerError: If they could not be counted.
            ClockError: If there is no time.
        """
        today = self._clock.now() // _DAY_NS
        charges = [
            Charge(_counter(name, item, scope, today), tokens)
            for name, item in bounds.budgets.items()
            if item.measure is Measure.TOKENS
        ]
        if charges:
            self._ledger.apply([], durable=False, charges=charges)

    def metered_out(self, bounds: Bounds, scope: Scope) -> tuple[str, ...]:
        """Name the budgets that keep a model from being asked once more.

        Args:
            bounds: The bounds in force.
            scope: The run.

        Returns:
            Ids of the budgets of tokens that are used up.

        Raises:
            LedgerError: If the ledger cannot be read.
            ClockError: If there is no time.
        """
        metered = {name: item for name, item in bounds.budgets.items() if item.measure is Measure.TOKENS}
        if not metered:
            return ()
        today = self._clock.now() // _DAY_NS
        counters = {name: _counter(name, item, scope, today) for name, item in metered.items()}
        found = self._ledger.balances(list(counters.values()))
        return tuple(name for name, item in metered.items() if found.get(counters[name], 0) >= limit_of(item))

    def seconds_left(self, bounds: Bounds, scope: Scope) -> float | None:
        """Tell how much wall time a run has left.

        Args:
            bounds: The bounds in force.
            scope: The run.

        Returns:
            Seconds, at least 0; ``None`` where no budget ends the run by itself.

        Raises:
            LedgerError: If the ledger cannot be read.
            ClockError: If there is no time.
        """
        timed = {
            name: item
            for name, item in bounds.budgets.items()
            if item.measure is Measure.SECONDS and item.beyond is Beyond.DENY
        }
        if not timed:
            return None
        today = self._clock.now() // _DAY_NS
        counters = {name: _counter(name, item, scope, today) for name, item in timed.items()}
        found = self._ledger.balances(list(counters.values()))
        left = (limit_of(item) - self._used(item, found.get(counters[name])) for name, item in timed.items())
        return float(max(0, min(left)))

    def _used(self, budget: Budget, balance: int | None) -> int:
        if budget.measure is Measure.SECONDS:
            return 0 if balance is None else max(0, self._clock.now() // _SECOND_NS - balance)
        return balance or 0


def _ceilings(bounds: Bounds, demand: Demand) -> Iterator[Ceiling]:
    """One for each link and budget; a name that is no budget with a ceiling gets none, which is denied elsewhere."""
    for warrant, named in demand.ceilings:
        for name, most in named.items():
            budget = bounds.budgets.get(name)
            if budget is not None and budget.measure in CEILED:
                unit = MICRO if budget.measure is Measure.SPEND else 1
                yield Ceiling(warrant=warrant, budget=name, limit=min(most * unit, _FULL))


def _below(warrant: str, budget: str) -> str:
    return digest_texts("ceiling", warrant, budget)


def _ceiling_marks(bounds: Bounds, item: Ceiling, demand: Demand) -> tuple[str, ...]:
    counted = bounds.applicable(demand.tool).get(item.budget)
    if counted is None or counted.measure is not Measure.RECIPIENTS:
        return ()
    return _marks(_below(item.warrant, item.budget), demand)


def _filled(item: Ceiling, found: Mapping[str, int], below: Mapping[str, tuple[str, ...]]) -> Ceiling:
    counter = _below(item.warrant, item.budget)
    fresh = sum(mark not in found for mark in below[counter])
    return item.model_copy(update={"used": found.get(counter, 0), "fresh": fresh})


def _shared(bounds: Bounds, demand: Demand, decision: Decision) -> Iterator[Charge]:
    """Charge every link's ceiling; a person who lifts a budget does not lift what was delegated."""
    for share in decision.shares:
        counter = _below(share.warrant, share.budget)
        if bounds.budgets[share.budget].measure is Measure.RECIPIENTS:
            yield from (Charge(counter, 1, share.limit, once=mark) for mark in _marks(counter, demand))
        elif share.amount:
            yield Charge(counter, share.amount, share.limit)


def given_back(charges: tuple[tuple[str, int], ...]) -> tuple[Charge, ...]:
    """Undo what a permit was charged with, because its call never began.

    Args:
        charges: Counter and amount of each.

    Returns:
        The opposite charges.
    """
    return tuple(Charge(counter, -amount) for counter, amount in charges)


def kept(charges: tuple[Charge, ...]) -> tuple[tuple[str, int], ...]:
    """Name what could be given back later: all but what was only marked, which stays.

    Args:
        charges: What a permit is charged with.

    Returns:
        Counter and amount of each.
    """
    return tuple((charge.counter, charge.amount) for charge in charges if charge.once is None)


def _counter(name: str, budget: Budget, scope: Scope, today: int) -> str:
    window = str(today) if budget.window is Window.DAY else ""
    return digest_texts("budget", name, budget.measure, budget.per, window, *_whose(budget.per, scope))


def _whose(per: Per, scope: Scope) -> tuple[str, ...]:
    principal = scope.principal
    match per:
        case Per.RUN:
            return (principal.tenant, _run(scope))
        case Per.PRINCIPAL:
            return (principal.tenant, principal.user)
        case Per.TENANT:
            return (principal.tenant,)


def _run(scope: Scope) -> str:
    """The thread in which a chain of agents began, so that delegating opens no new budget."""
    return next((link.run for link in scope.principal.delegators if link.run), scope.thread)


def _chain(scope: Scope) -> str:
    return digest_texts("chain", scope.principal.tenant, _run(scope))


def _mark(counter: str, of: str) -> str:
    return digest_texts("mark", counter, of)


def _marks(counter: str, demand: Demand) -> tuple[str, ...]:
    return tuple(_mark(counter, text) for text in sorted(recipients_of(demand.arguments, demand.profile)))
