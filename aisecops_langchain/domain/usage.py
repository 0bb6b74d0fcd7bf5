"""What a run has used up already, and what one more call would add: the numbers behind budgets and chain risk.

Invariant: numbers only, counted by the ledger and never by the caller; recorded with the decision, they let it be made
again.
"""

from __future__ import annotations

from pydantic import Field

from aisecops_langchain.domain.base import Frozen

MICRO = 1_000_000
"""Money is counted in millionths of its unit, so that sums stay exact."""

MILLI = 1000
"""Chain risk is counted in thousandths."""


class Ceiling(Frozen):
    """What was taken under one link of a warrant from one budget that the link puts a ceiling on."""

    warrant: str
    """Digest of the link; whatever was delegated further counts here, too."""
    budget: str
    limit: int
    """In the smallest unit of the budget's measure, as are all amounts here."""
    used: int = 0
    fresh: int = 0
    """For a budget of recipients: how many of this call's recipients the link has not seen yet."""


class Share(Frozen):
    """What a call would take below one ceiling."""

    warrant: str
    budget: str
    limit: int
    amount: int


class Usage(Frozen):
    """What stands in the ledger when a call is decided on."""

    used: dict[str, int] = Field(default_factory=dict)
    """By budget id, in the smallest unit of its measure."""
    fresh: dict[str, int] = Field(default_factory=dict)
    """By id of a budget of recipients: how many of this call's recipients it has not seen yet."""
    risk: int = 0
    """Chain risk so far, in thousandths."""
    worst: int = -1
    """Rank of the worst risk class so far; -1 before the first step."""
    ceilings: tuple[Ceiling, ...] = ()
    """Of every link of the warrant that the call is made under."""


class ChainStep(Frozen):
    """What one step adds to the risk of its chain, factor by factor."""

    step: float
    """Weight of the step's risk class."""
    escalation: float
    """More than 1 where the step is worse than all before it."""
    trust: float
    """More than 1 where the context is less trusted."""
    stress: float
    """More than 1 as budgets fill."""
    added: int
    """Their product, in thousandths."""
    total: int
    """The chain's risk with this step, in thousandths."""
