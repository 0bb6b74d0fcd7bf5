"""The evaluation of the scanner: every sample inspected, and what that comes to.

Invariant: a sample counts as found if there is any finding in it, whatever its severity; the same holds for benign
ones, where it is a false alarm.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from aisecops_langchain.evals.scanner.samples import ATTACK, BENIGN, Sample, read_samples
from aisecops_langchain.sanitize.bulk import Scanned, ScanSetup, scan_all


@dataclass(frozen=True, slots=True)
class Rate:
    """How many samples had a finding, of how many."""

    found: int
    total: int

    @property
    def share(self) -> float:
        """The share of them; 0 where there is none."""
        return self.found / self.total if self.total else 0.0

    def to_json(self) -> dict[str, JsonValue]:
        """Return it as a plain JSON object."""
        return {"found": self.found, "total": self.total, "rate": round(self.share, 4)}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the scanner must reach."""

    min_found: float | None = None
    """Share of the attacks."""
    max_false: float | None = None
    """Share of the benign samples."""


@dataclass(frozen=True)
class ScannerReport:
    """What the scanner found in labelled texts."""

    attacks: Rate
    benign: Rate
    sources: dict[str, tuple[Rate, Rate]]
    """By corpus: attacks found, and benign samples taken for attacks."""
    categories: dict[str, tuple[int, int]]
    """By category of finding: in how many attacks and benign samples it was seen."""
    rules: dict[str, tuple[int, int]]
    """By rule, likewise."""
    false_alarms: tuple[str, ...]
    """Ids of the benign samples that were taken for attacks."""
    characters: int
    seconds: float
    """Wall-clock time of inspecting, starting processes included."""
    bounds: Bounds = Bounds()

    @property
    def speed(self) -> float:
        """Millions of characters a second, over all processes."""
        return self.characters / self.seconds / 1e6 if self.seconds else 0.0

    @property
    def succeeded(self) -> bool:
        """Whether every bound that was given is met by samples of its kind."""
        least, most = self.bounds.min_found, self.bounds.max_false
        found = least is None or (self.attacks.total > 0 and self.attacks.share >= least)
        return found and (most is None or (self.benign.total > 0 and self.benign.share <= most))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the report as one plain JSON object."""
        return {
            "summary": {"attacks": self.attacks.to_json(), "benign": self.benign.to_json()},
            "sources": {
                name: {ATTACK: attacks.to_json(), BENIGN: benign.to_json()}
                for name, (attacks, benign) in self.sources.items()
            },
            "categories": _counts(self.categories),
            "rules": _counts(self.rules),
            "false_alarms": list(self.false_alarms),
            "characters": self.characters,
            "seconds": round(self.seconds, 3),
            "mb_per_second": round(self.speed, 2),
        }


def evaluate(path: Path, setup: ScanSetup, *, jobs: int, bounds: Bounds | None = None) -> ScannerReport:
    """Judge the scanner with a file of labelled texts.

    Args:
        path: The file.
        setup: Makes the scanner.
        jobs: Processes.
        bounds: What must be reached.

    Returns:
        The report.

    Raises:
        ConfigurationError: If the samples or a rule pack cannot be used.
    """
    samples = read_samples(path)
    began = time.perf_counter()
    results = list(scan_all([sample.piece for sample in samples], setup, jobs=jobs))
    return report(samples, results, seconds=time.perf_counter() - began, bounds=bounds or Bounds())


def report(
    samples: Sequence[Sample], results: Sequence[Scanned], *, seconds: float, bounds: Bounds | None = None
) -> ScannerReport:
    """Count what was found.

    Args:
        samples: The samples.
        results: What was found in each.
        seconds: How long that took.
        bounds: What must be reached.

    Returns:
        The report.
    """
    judged = list(zip(samples, results, strict=True))
    by_source = {
        name: [pair for pair in judged if pair[0].source == name] for name in sorted({s.source for s in samples})
    }
    return ScannerReport(
        attacks=_rate(judged, attack=True),
        benign=_rate(judged, attack=False),
        sources={name: (_rate(part, attack=True), _rate(part, attack=False)) for name, part in by_source.items()},
        categories=_seen((sample.attack, {item.category for item in found.findings}) for sample, found in judged),
        rules=_seen((sample.attack, {item.rule for item in found.findings}) for sample, found in judged),
        false_alarms=tuple(sample.id for sample, found in judged if found.findings and not sample.attack),
        characters=sum(len(sample.piece.text) for sample in samples),
        seconds=seconds,
        bounds=bounds or Bounds(),
    )


def _rate(judged: Iterable[tuple[Sample, Scanned]], *, attack: bool) -> Rate:
    hits = [bool(found.findings) for sample, found in judged if sample.attack is attack]
    return Rate(sum(hits), len(hits))


def _seen(judged: Iterable[tuple[bool, set[str]]]) -> dict[str, tuple[int, int]]:
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for attack, names in judged:
        counts[attack].update(names)
    every = sorted(counts[True].keys() | counts[False].keys(), key=lambda name: (-counts[True][name], name))
    return {name: (counts[True][name], counts[False][name]) for name in every}


def _counts(seen: dict[str, tuple[int, int]]) -> dict[str, JsonValue]:
    return {name: {ATTACK: attacks, BENIGN: benign} for name, (attacks, benign) in seen.items()}
