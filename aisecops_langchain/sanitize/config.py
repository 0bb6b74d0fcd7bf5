"""What is done about findings, for each door.

Invariant: every severity has exactly one action at every door, and limits are finite.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pydantic import Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize.finding import Finding, Severity


class Action(StrEnum):
    """What is done about a finding, from mildest to strictest."""

    PASS = "pass"  # noqa: S105 - not a password
    """Recorded only."""
    CLEAN = "clean"
    """The matched span is cut."""
    QUARANTINE = "quarantine"
    """The whole text is replaced by a notice."""
    BLOCK = "block"
    """As quarantine, and the caller is told that nothing may go on."""

    @property
    def rank(self) -> int:
        """Position in the order; higher is stricter."""
        return _RANKS[self]


_RANKS: Final = {action: rank for rank, action in enumerate(Action)}


class SeverityActions(Frozen):
    """One action for each severity."""

    low: Action = Action.PASS
    medium: Action = Action.CLEAN
    high: Action = Action.QUARANTINE

    def of(self, severity: Severity) -> Action:
        """Return the action for a severity.

        Args:
            severity: How serious the finding is.

        Returns:
            What to do about it.
        """
        return {Severity.LOW: self.low, Severity.MEDIUM: self.medium, Severity.HIGH: self.high}[severity]


PASS_ALL: Final = SeverityActions(low=Action.PASS, medium=Action.PASS, high=Action.PASS)
"""For doors whose speaker is entitled to instruct the model: findings are recorded, nothing is withheld."""


class SanitizeConfig(Frozen):
    """Configuration of the sanitizer."""

    default: SeverityActions = SeverityActions()
    """For every door without an entry of its own."""
    channels: dict[SourceKind, SeverityActions] = Field(
        default_factory=lambda: {SourceKind.SYSTEM_PROMPT: PASS_ALL, SourceKind.USER_PROMPT: PASS_ALL}
    )
    max_chars: int = Field(default=1_000_000, ge=1)
    """Longest text, or sum of all texts of a structured value, that is inspected; longer ones are withheld unseen."""
    max_depth: int = Field(default=64, ge=1, le=200)
    """Deepest nesting of a structured value that is inspected."""
    max_nodes: int = Field(default=100_000, ge=1)
    """Most fields and items of a structured value that are inspected."""

    def action(self, finding: Finding, channel: SourceKind) -> Action:
        """Return what is done about one finding.

        Args:
            finding: The finding.
            channel: The door that the text came through.

        Returns:
            The action.
        """
        return self.channels.get(channel, self.default).of(finding.severity)

    def strictest(self, findings: Iterable[Finding], channel: SourceKind) -> Action:
        """Return what is done about several findings in one text.

        Args:
            findings: The findings, perhaps none.
            channel: The door that the text came through.

        Returns:
            The strictest of their actions; ``pass`` for none.
        """
        actions = (self.action(finding, channel) for finding in findings)
        return max(actions, key=lambda action: action.rank, default=Action.PASS)
