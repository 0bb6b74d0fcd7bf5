"""What the gate answers about one step.

Invariant: there is no verdict that means "go on" without a permit.
"""

from __future__ import annotations

from dataclasses import dataclass

from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.permit import Binding, Permit
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
