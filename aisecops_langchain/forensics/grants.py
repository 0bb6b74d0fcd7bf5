"""What people let run again without being asked, and what was done on that.

Invariant: a grant is counted where the log tells of it; one that was given in an earlier run shows by its uses alone.
"""

from __future__ import annotations

from collections import Counter

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events import GrantEnded, GrantGiven, GrantRevoked, GrantUsed
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.phrases import because, person
from aisecops_langchain.forensics.text import call_text, name, names, said, short
from aisecops_langchain.forensics.trace import Trace


class GrantSeen(Frozen):
    """One grant as a run shows it."""

    grant: str
    tool: str
    approver: Approver | None
    """Who gave it; none where the run only shows how it ended."""
    given: bool
    """Whether it was given in this very run."""
    used: int
    """How many calls of this run it let run."""
    ended: str | None = None
    """``expired``, ``exhausted`` or ``revoked``, where the run shows that."""


def grants_of(trace: Trace) -> tuple[GrantSeen, ...]:
    """Collect the grants of a run.

    Args:
        trace: The trace.

    Returns:
        The grants, in the order in which they first appear.
    """
    seen: dict[str, GrantSeen] = {}
    for event in trace.events:
        match event:
            case GrantGiven() | GrantUsed():
                known = seen.get(event.grant) or _unseen(event.grant, event.tool)
                given = known.given or isinstance(event, GrantGiven)
                seen[event.grant] = known.model_copy(update={"approver": event.approver, "given": given})
            case GrantEnded():
                known = seen.get(event.grant) or _unseen(event.grant, event.tool)
                seen[event.grant] = known.model_copy(update={"ended": event.why})
            case GrantRevoked():
                known = seen.get(event.grant) or _unseen(event.grant, event.tool)
                seen[event.grant] = known.model_copy(update={"ended": "revoked"})
            case _:
                pass
    steps = {(event.grant, event.plan, event.call_id) for event in trace.events if isinstance(event, GrantUsed)}
    used = Counter(grant for grant, _, _ in steps)  # a step that gets a second permit is one use
    return tuple(item.model_copy(update={"used": used[item.grant]}) for item in seen.values())


def tell_grant(event: GrantGiven | GrantUsed | GrantEnded | GrantRevoked, calls: Calls) -> str:
    """Tell one event of a grant.

    Args:
        event: The event.
        calls: The calls of its trace.

    Returns:
        One printable sentence.
    """
    grant = f"grant {short(event.grant)}"
    match event:
        case GrantGiven():
            who, until = person(event.approver), event.expires_at.isoformat()
            return f"{who} granted {_extent(event)} until {until} as {short(event.grant)}{because(event.reason)}"
        case GrantUsed():
            taken = ", ".join(f"{said(amount)} of {name(item)}" for item, amount in event.amounts.items())
            counted = f", and takes {taken}" if taken else ""
            return f"{calls.show(event)} is covered by {grant} of {person(event.approver)}{counted}"
        case GrantEnded():
            return f"Grant {short(event.grant)} for {name(event.tool)} is {event.why}"
        case GrantRevoked():
            who = name(event.by) or "Somebody"
            return f"{who} revoked {grant} for {name(event.tool)}{because(event.reason)}"


def _extent(event: GrantGiven) -> str:
    bounds = [f"{event.uses} calls like {call_text(event.tool, event.fixed)}"]
    bounds += [f"{name(item)} up to {said(most)} in all" for item, most in event.up_to.items()]
    bounds += [f"{name(item)} up to {said(most)} each" for item, most in event.each.items()]
    if event.any:
        bounds.append(f"any {names(event.any)}")
    bounds.append("in any thread" if event.any_thread else "in this thread")
    return ", ".join(bounds)


def _unseen(grant: str, tool: str) -> GrantSeen:
    return GrantSeen(grant=grant, tool=tool, approver=None, given=False, used=0)
