"""What the gate answers about one step.

Invariant: there is no verdict that means "go on" without a permit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.permit import Binding, EffectState, Permit, VoidBy
from aisecops_langchain.runtime.ledger.records import Briefing


@dataclass(frozen=True, slots=True)
class Permitted:
    """The call may run once, under this permit."""

    permit: Permit


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """A person must be asked first, about exactly this."""

    binding: Binding
    briefing: Briefing
    requires: tuple[ApprovalRequirement, ...]
    """What a yes takes."""
    event: str
    """Id of the decision's event."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The call must not run."""

    code: str
    message: str
    """Neutral, safe to show to a model: no argument values, no advice on how to get round it."""


Verdict = Permitted | NeedsApproval | Denied

_BEGUN: Final = {
    EffectState.STARTED: Denied("already_running", "The call is running right now; its outcome is not known yet."),
    EffectState.COMPLETED: Denied("already_used", "The call was already carried out."),
    EffectState.FAILED: Denied("already_used", "The call was already tried, and failed."),
    EffectState.UNKNOWN: Denied(
        "outcome_unknown", "The call was started before and its outcome is unknown; do not assume either way."
    ),
}

USED_UP: Final = frozenset(denied.code for denied in _BEGUN.values())
"""Codes of the denials of a step that had its turn."""


_VOID: Final = {
    VoidBy.POLICY: Denied("approval_void", "The request for approval is void: the policy changed meanwhile."),
    VoidBy.PLACE: Denied("approval_void", "The request for approval is void: the run went on in another place."),
    VoidBy.PERSON: Denied("approval_void", "The request for approval is void: the run acts for somebody else now."),
}


def void(by: VoidBy) -> Denied:
    """Refuse a call of which somebody was asked, but under other circumstances.

    Args:
        by: What changed.

    Returns:
        A denial that says so; nobody said no.
    """
    return _VOID[by]


def used_up(state: EffectState) -> Denied:
    """Refuse a step that was begun before.

    Args:
        state: What became of it; any but reserved.

    Returns:
        A denial that says no more than is known.
    """
    return _BEGUN[state]
