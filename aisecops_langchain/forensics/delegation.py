"""Who acted for whom: runs of delegated agents, and the runs that delegated to them.

Invariant: two runs are linked only by a warrant's digest: the one records that it was issued, the other acts under it.
A delegating run that the log does not hold is named as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import AnyEvent, WarrantIssued


class Delegation(Frozen):
    """One run that acted under a warrant."""

    warrant: str
    """Digest of the warrant."""
    delegator: str
    """The agent that gave it."""
    agent: str
    """The agent that acted."""
    child: str
    """Trace of the run that acted."""
    parent: str | None
    """Trace of the run in which it was given; none where the log does not hold it."""
    issued: str | None = None
    """Id of the event that records it."""


def tells_of_delegation(event: AnyEvent) -> bool:
    """Whether an event matters for ``delegations_of``, so that a reader need not keep the others.

    Args:
        event: The event.
    """
    return isinstance(event, WarrantIssued) or bool(event.principal.delegators)


def delegations_of(events: Iterable[AnyEvent]) -> tuple[Delegation, ...]:
    """Link the runs of delegated agents to those that delegated.

    Args:
        events: Events of all runs, in any order.

    Returns:
        One entry per run and warrant that it acted under, by trace and warrant.
    """
    issued: dict[str, WarrantIssued] = {}
    acted: dict[tuple[str, str], tuple[str, str]] = {}
    for event in events:
        if isinstance(event, WarrantIssued):
            issued.setdefault(event.warrant, event)
        if event.principal.delegators:
            last = event.principal.delegators[-1]
            acted.setdefault((event.trace, last.warrant), (last.agent, event.principal.agent))
    return tuple(
        Delegation(
            warrant=warrant,
            delegator=delegator,
            agent=agent,
            child=child,
            parent=issued[warrant].trace if warrant in issued else None,
            issued=issued[warrant].id if warrant in issued else None,
        )
        for (child, warrant), (delegator, agent) in sorted(acted.items())
        if warrant not in issued or issued[warrant].trace != child
    )


def family_of(trace: str, delegations: Sequence[Delegation]) -> frozenset[str]:
    """Find every run that belongs to one task.

    Args:
        trace: A run.
        delegations: All known delegations.

    Returns:
        The run itself, those that it delegated to and that delegated to it, and so on.
    """
    family = {trace}
    near: dict[str, set[str]] = {}
    for item in delegations:
        if item.parent is not None:
            near.setdefault(item.parent, set()).add(item.child)
            near.setdefault(item.child, set()).add(item.parent)
    frontier = [trace]
    while frontier:
        for other in near.get(frontier.pop(), set()) - family:
            family.add(other)
            frontier.append(other)
    return frozenset(family)
