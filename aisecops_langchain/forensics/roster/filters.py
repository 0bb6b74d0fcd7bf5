"""Which runs are wanted, as plain data.

Invariant: a filter that says nothing wants all runs; every part of it narrows.
"""

from __future__ import annotations

from typing import Final

from pydantic import AwareDatetime, Field

from aisecops_langchain.domain.base import Frozen

FACETS: Final = ("agent", "user", "tenant", "tool", "trust", "finding", "decision", "outcome", "source")
"""What a run can be found by, beside time and text."""


class RunFilter(Frozen):
    """Which runs are wanted."""

    since: AwareDatetime | None = None
    """Runs that began then or later."""
    until: AwareDatetime | None = None
    """Runs that began before then."""
    facets: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values by facet: a run must have one of them for each."""
    traces: tuple[str, ...] | None = None
    """Only these runs, if given."""
    tenants: tuple[str, ...] | None = None
    """Only runs that touch no other organisations, if given."""
