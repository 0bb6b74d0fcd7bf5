"""What an evaluation found, as data.

Invariant: the run succeeded only if every task kept its utility and the audit log of the run verifies; no tasks at all
is no success.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from aisecops_langchain.evals.agentdojo.suites import TaskOutcome


@dataclass(frozen=True)
class AuditCheck:
    """What verifying the log of the run said."""

    path: Path
    verified: bool
    events: int
    segments: int


@dataclass(frozen=True)
class SuiteScore:
    """The count of one suite."""

    ok: int
    total: int
    executed: int
    """Calls that ran."""
    refused: int
    """Calls that came back to the planner as errors."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the counts as plain JSON."""
        return {"ok": self.ok, "total": self.total, "executed": self.executed, "refused": self.refused}


@dataclass(frozen=True)
class Report:
    """Everything that one evaluation found."""

    planner: str
    outcomes: tuple[TaskOutcome, ...]
    audit: AuditCheck
    seconds: float
    """Wall-clock time, starting the processes included."""

    @property
    def succeeded(self) -> bool:
        """Whether every task kept its utility and the log verifies."""
        return self.audit.verified and bool(self.outcomes) and all(outcome.ok for outcome in self.outcomes)

    @property
    def failures(self) -> tuple[TaskOutcome, ...]:
        """The tasks that did not keep their utility."""
        return tuple(outcome for outcome in self.outcomes if not outcome.ok)

    @property
    def total(self) -> SuiteScore:
        """The count over all suites."""
        return _score(self.outcomes)

    def suites(self) -> dict[str, SuiteScore]:
        """Return the count of each suite, in the order they ran."""
        names = dict.fromkeys(outcome.suite for outcome in self.outcomes)
        return {name: _score(tuple(o for o in self.outcomes if o.suite == name)) for name in names}

    def to_json(self) -> dict[str, JsonValue]:
        """Return the report as one plain JSON object."""
        return {
            "planner": self.planner,
            "summary": {self.planner: {"ok": self.total.ok, "total": self.total.total}},
            "audit": {
                "path": str(self.audit.path),
                "verified": self.audit.verified,
                "events": self.audit.events,
                "segments": self.audit.segments,
            },
            "suites": {name: score.to_json() for name, score in self.suites().items()},
            "failures": [
                {"suite": failed.suite, "task": failed.task, "trace": failed.trace, "reason": failed.reason}
                for failed in self.failures
            ],
            "seconds": round(self.seconds, 2),
        }


def _score(outcomes: tuple[TaskOutcome, ...]) -> SuiteScore:
    return SuiteScore(
        ok=sum(outcome.ok for outcome in outcomes),
        total=len(outcomes),
        executed=sum(outcome.executed for outcome in outcomes),
        refused=sum(outcome.refused for outcome in outcomes),
    )
