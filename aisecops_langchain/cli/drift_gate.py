"""What a re-decision of history means for a gate in CI.

Invariant: a log that does not verify, lines that cannot be read and decisions that do not come out as recorded fail
always; the rest fails where the caller asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.forensics.drift import BundleReport, Change, DriftReport
from aisecops_langchain.forensics.drift.proposal import Uses

NAMES: Final = {change: change.value.replace("_", "-") for change in Change}
"""Changes as ``--fail-on`` names them."""

NOT_REPRODUCIBLE: Final = "not-reproducible"
UNCHECKED: Final = "unchecked"


@dataclass(frozen=True, slots=True)
class Judged:
    """A report, and what to make of it."""

    place: str
    """Where the log lies, as it was named: a path, or an address such as ``s3a://audit/exported``."""
    verified: VerifyReport
    unreadable: int
    report: DriftReport
    files: tuple[Path, ...]
    """Of the bundles of the report, in their order."""
    fail_on: frozenset[str]
    uses: Uses

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the gate is closed, in words; empty if it is open."""
        return tuple(self._failures())

    @property
    def failed_as_a_log(self) -> bool:
        """Whether what was read cannot be believed, or is not all."""
        return bool(not self.verified.ok or self.unreadable or self.report.malformed)

    def gates(self, name: str) -> bool:
        """Whether something of this name closes the gate."""
        return name in self.fail_on or "any" in self.fail_on

    def _failures(self) -> Iterator[str]:
        if not self.verified.ok:
            yield "the log does not verify"
        if self.unreadable or self.report.malformed:
            yield f"{self.unreadable + self.report.malformed} lines cannot be read"
        if self.report.faults:
            yield f"determinism fault: {self.report.faults} decisions do not come out as recorded"
        unchecked = sum(self.report.determinism.unchecked.values())
        if unchecked and UNCHECKED in self.fail_on:
            yield f"{unchecked} decisions were made by policies that are not at hand"
        unknown = sum(self.report.determinism.not_reproducible.values())
        if unknown and self.gates(NOT_REPRODUCIBLE):
            yield f"{unknown} decisions are not reproducible under the policies that made them"
        for bundle in self.report.bundles:
            yield from self._of(bundle)

    def _of(self, bundle: BundleReport) -> Iterator[str]:
        for change, count in bundle.changed.items():
            if count and self.gates(NAMES[change]):
                yield f"policy {bundle.policy}: {count} {NAMES[change]}"
        unknown = sum(bundle.not_reproducible.values())
        if unknown and self.gates(NOT_REPRODUCIBLE):
            yield f"policy {bundle.policy}: {unknown} not reproducible"

    def to_json(self) -> dict[str, object]:
        """Return all of it as plain JSON."""
        return {
            "ok": not self.failures,
            "failures": list(self.failures),
            "log": {
                "path": self.place,
                "verified": self.verified.ok,
                "events": self.verified.events,
                "unreadable_lines": self.unreadable,
                "problems": [problem.model_dump(mode="json") for problem in self.verified.problems],
                "warnings": [warning.model_dump(mode="json") for warning in self.verified.warnings],
            },
            **self.report.model_dump(mode="json"),
        }
