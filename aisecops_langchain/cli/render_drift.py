"""Shows to people what a re-decision of history found, and what changed over time.

Invariant: whether the log can be trusted comes first; what is not reproducible is told beside what is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console

from aisecops_langchain.audit import VerifyReport
from aisecops_langchain.cli.drift_files import told
from aisecops_langchain.cli.drift_gate import NAMES, Judged
from aisecops_langchain.cli.render_log import line, show_verdict
from aisecops_langchain.forensics.drift import BundleReport, Flip
from aisecops_langchain.forensics.drift.over_time import DriftOverTime, Shift
from aisecops_langchain.forensics.text import name
from aisecops_langchain.policy import Outcome

_SHOWN: Final = 20


def show_drift(out: Console, judged: Judged) -> None:
    """Show what was found, and why the gate is closed if it is.

    Args:
        out: Where to.
        judged: The report.
    """
    report, again = judged.report, judged.report.determinism
    show_verdict(out, judged.verified, unreadable=judged.unreadable + report.malformed)
    out.print(line(f"{report.decisions} decisions, {report.distinct} different requests."))
    if again.reproduced or again.faults or again.not_reproducible:
        out.print(line(f"As recorded: {again.reproduced}; {_unknown(again.not_reproducible)}."))
    for fault in again.faults:
        text = f"  DETERMINISM FAULT: {fault.count} x {name(fault.tool)} of {name(fault.agent)}"
        out.print(line(f"{text}: recorded {fault.recorded.value}, again {fault.again.value}", "bold red"))
        out.print(line(f"    runs: {_names(fault.runs)}", "red"))
    for digest, count in again.unchecked.items():
        out.print(line(f"Not checked: {count} decisions of policy {name(digest)}; give its bundle as --recorded."))
    for bundle in report.bundles:
        _show_bundle(out, bundle)
    for caveat in report.caveats:
        out.print(line(f"Note: {caveat}.", "yellow"))
    for failure in judged.failures:
        out.print(line(f"FAILED: {failure}", "bold red"))


def _show_bundle(out: Console, bundle: BundleReport) -> None:
    out.print(line(f"Under policy {bundle.policy} ({bundle.digest[7:19]}):", "bold"))
    changed = ", ".join(f"{count} {NAMES[change]}" for change, count in bundle.changed.items())
    held = f", {bundle.held} of them denied by a stop, a pin or a warrant" if bundle.held else ""
    out.print(line(f"  the same: {bundle.same}{held}"))
    out.print(line(f"  changed: {changed}"))
    out.print(line(f"  {_unknown(bundle.not_reproducible)}"))
    for flip in bundle.flips[:_SHOWN]:
        out.print(line(f"  {NAMES[flip.change]}: {told(flip)}"))
        for reason in _trace(flip):
            out.print(line(f"      {reason}"))
        out.print(line(f"      runs: {_names(flip.runs)}"))
    if len(bundle.flips) > _SHOWN:
        out.print(line(f"  and {len(bundle.flips) - _SHOWN} more kinds of change; see them with --json"))
    for rule in bundle.rules:
        if rule.before != rule.after or rule.flips:
            out.print(
                line(f"  rule {name(rule.rule)}: matched {rule.before} before, {rule.after} now, {rule.flips} flips")
            )
    cover = bundle.coverage
    for title, names in (
        ("rules that never matched", cover.never_matched),
        ("capabilities that granted nothing", cover.unused_capabilities),
        ("tools that nobody called", cover.unused_tools),
        ("agents that never acted", cover.unseen_agents),
    ):
        if names:
            out.print(line(f"  {title}: {_names(names)}"))


def _trace(flip: Flip) -> Iterator[str]:
    """Tell why, step by step: what was, and each rule that counts now."""
    yield f"was: {flip.old_reason} ({_names(flip.old_rules) or 'no rule'})"
    if flip.explanation is None:
        return
    for rule in flip.explanation.rules:
        if rule.outcome is not Outcome.NOT_MATCHED:
            condition = f" when {rule.condition.condition}" if rule.condition else ""
            yield f"now: rule {name(rule.id)} ({rule.effect.value}) {rule.outcome.value}{condition}"
    yield f"now: {flip.explanation.combination}"


def show_over_time(out: Console, verified: VerifyReport, unreadable: int, found: DriftOverTime) -> None:
    """Show what changed between two windows.

    Args:
        out: Where to.
        verified: Whether the log can be trusted.
        unreadable: Lines that could not be read.
        found: The comparison.
    """
    show_verdict(out, verified, unreadable=unreadable + found.malformed)
    between = f", {found.runs_between} in neither" if found.runs_between else ""
    out.print(line(f"{found.runs_before} runs before, {found.runs_after} after{between}."))
    for version in found.versions:
        out.print(
            line(f"  {version.dimension} {name(version.value)}: {version.before} runs before, {version.after} after")
        )
    out.print(line(f"{len(found.shifts)} changes in {found.comparisons} comparisons, false discovery rate 0.05."))
    for shift in found.shifts:
        _show_shift(out, found, shift)


def _show_shift(out: Console, found: DriftOverTime, shift: Shift) -> None:
    within = f" (within {name(shift.version)})" if shift.version else ""
    share = f"{shift.before} of {found.runs_before} -> {shift.after} of {found.runs_after}"
    if shift.version:
        share = f"{shift.before} -> {shift.after} runs"
    out.print(line(f"  {shift.dimension} {name(shift.value)}{within}: {share}, q = {shift.q:.2g}"))
    out.print(line(f"      runs: {_names(shift.runs)}"))


def _unknown(reasons: dict[str, int]) -> str:
    detail = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return f"not reproducible: {sum(reasons.values())}" + (f" ({detail})" if detail else "")


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(name, names[:_SHOWN]))
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
