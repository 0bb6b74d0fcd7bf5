"""What is done about findings, for each door.

Invariant: every severity has exactly one action at every door, and limits are finite.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

from pydantic import Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.inspection import (
    ENTITLED,
    PASS_ALL,
    Action,
    Inspection,
    SeverityActions,
    Treatment,
)
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.sanitize.finding import Finding

__all__ = ["CATEGORIES", "PASS_ALL", "Action", "SanitizeConfig", "SeverityActions"]


CATEGORIES: Final = frozenset({"structure", "hidden"})
"""Categories of findings that do not come from a rule of a pack."""


class SanitizeConfig(Frozen):
    """Configuration of the sanitizer."""

    default: SeverityActions = SeverityActions()
    """For every door without an entry of its own."""
    channels: dict[SourceKind, SeverityActions] = Field(default_factory=lambda: dict.fromkeys(ENTITLED, PASS_ALL))
    private: dict[SourceKind, dict[str, Treatment]] = Field(default_factory=dict)
    """What is done with secrets and personal data, by door and class; what is not named stays."""
    fields: dict[SourceKind, dict[str, dict[str, Treatment]]] = Field(default_factory=dict)
    """The same for single fields of structured content, by path."""
    max_chars: int = Field(default=1_000_000, ge=1)
    """Longest text, or sum of all texts of a structured value, that is inspected; longer ones are withheld unseen."""
    max_depth: int = Field(default=64, ge=1, le=200)
    """Deepest nesting of a structured value that is inspected."""
    max_nodes: int = Field(default=100_000, ge=1)
    """Most fields and items of a structured value that are inspected."""

    @classmethod
    def of(cls, inspection: Inspection) -> Self:
        """Make the configuration that a bundle asks for.

        Args:
            inspection: Its ``sanitize`` section.

        Returns:
            The configuration, with the usual limits.
        """
        kinds = tuple(SourceKind)
        return cls(
            channels={kind: inspection.actions(kind) for kind in kinds},
            private={kind: inspection.treatments(kind) for kind in kinds},
            fields={kind: inspection.field_treatments(kind) for kind in kinds},
        )

    def actions(self, channel: SourceKind) -> SeverityActions:
        """Return what is done at a door; final words without an entry are treated as words to another agent.

        Args:
            channel: The door.

        Returns:
            The actions.
        """
        if channel is SourceKind.OUTPUT and channel not in self.channels:
            channel = SourceKind.AGENT_MESSAGE
        return self.channels.get(channel, self.default)

    def action(self, finding: Finding, channel: SourceKind) -> Action:
        """Return what is done about one finding.

        Args:
            finding: The finding.
            channel: The door that the text came through.

        Returns:
            The action.
        """
        return self.actions(channel).of(finding.severity, finding.category)

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
