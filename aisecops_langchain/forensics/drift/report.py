"""What a re-decision of history found, as plain data.

Invariant: every recorded decision is counted once under each policy: the same, changed, or not reproducible.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.decision import Effect
from aisecops_langchain.policy import Explanation


class Change(StrEnum):
    """How an answer changed."""

    NEWLY_ALLOWED = "newly_allowed"
    NEWLY_DENIED = "newly_denied"
    NEWLY_ASKED = "newly_asked"
    """It would need a person now, whether it was allowed or denied before."""
    TERMS = "terms"
    """The same effect, with other obligations, approvals or grants."""


class Flip(Frozen):
    """Decisions that change in the same way for the same reasons."""

    change: Change
    agent: str
    tool: str
    old: Effect
    new: Effect
    old_rules: tuple[str, ...]
    new_rules: tuple[str, ...]
    old_reason: str
    new_reason: str
    count: int
    runs: tuple[str, ...]
    """Traces of some of them, the first ones met."""
    events: tuple[str, ...]
    """Ids of their decisions, one for each of ``runs``."""
    explanation: Explanation | None = None
    """Why the first of them is decided so under the new policy."""


class RuleChange(Frozen):
    """One rule of either policy."""

    rule: str
    before: int
    """Recorded decisions in which it matched."""
    after: int
    """Decisions in which it matches now."""
    flips: int
    """Decisions with another effect in which it matches on one side alone."""


class Coverage(Frozen):
    """What of a policy the recorded requests exercise."""

    matched: dict[str, int]
    """Decisions by rule that matched."""
    never_matched: tuple[str, ...]
    """Rules that no recorded request meets."""
    granted: dict[str, int]
    """Decisions by capability that granted the tool."""
    unused_capabilities: tuple[str, ...]
    unused_tools: tuple[str, ...]
    unseen_agents: tuple[str, ...]


class BundleReport(Frozen):
    """History under one other policy."""

    policy: str
    """Its name."""
    digest: str
    same: int
    changed: dict[Change, int]
    not_reproducible: dict[str, int]
    """By reason."""
    held: int
    """Of ``same``: what a stop, a pin or a warrant denied, which no policy changes."""
    flips: tuple[Flip, ...]
    """The commonest first."""
    rules: tuple[RuleChange, ...]
    coverage: Coverage


class Fault(Frozen):
    """Decisions that do not come out as recorded."""

    policy: str
    agent: str
    tool: str
    recorded: Effect
    again: Effect
    count: int
    runs: tuple[str, ...]
    events: tuple[str, ...]


class Determinism(Frozen):
    """Whether the recorded policies decide again as they did."""

    reproduced: int
    faults: tuple[Fault, ...]
    not_reproducible: dict[str, int]
    unchecked: dict[str, int]
    """Decisions by digest of a policy that is not at hand."""


class DriftReport(Frozen):
    """History, decided again."""

    decisions: int
    distinct: int
    """Different requests among them, as they were met; a request that comes again much later may count twice."""
    malformed: int
    """Events that claim to be decisions and are none."""
    determinism: Determinism
    bundles: tuple[BundleReport, ...]
    caveats: tuple[str, ...] = Field(default=())

    @property
    def faults(self) -> int:
        """How many decisions do not come out as recorded."""
        return sum(fault.count for fault in self.determinism.faults)
