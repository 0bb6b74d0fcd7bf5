"""What a policy's author wants to know: which honest calls were refused, and which injected calls ran, and why.

Invariant: a finding counts calls of finished runs; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import JsonValue

from aisecops_langchain.evals.agentdojo.outcome import CallOutcome, Outcome
from aisecops_langchain.evals.agentdojo.reasons import UNKNOWN, Reasons


@dataclass(frozen=True)
class Finding:
    """Calls of one tool that one reason explains."""

    suite: str
    tool: str
    reason: str
    count: int
    """How many calls."""
    runs: int
    """In how many runs."""
    lost: int
    """In how many of these the user was not served, or the attack succeeded."""
    trace: str
    """One of these runs."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the finding as plain JSON."""
        return {
            "suite": self.suite,
            "tool": self.tool,
            "reason": self.reason,
            "calls": self.count,
            "runs": self.runs,
            "lost": self.lost,
            "trace": self.trace,
        }


class _Hit(NamedTuple):
    outcome: Outcome
    call: CallOutcome


def refused_honest_calls(outcomes: Iterable[Outcome], reasons: Reasons) -> tuple[Finding, ...]:
    """Count the calls of user tasks in honest worlds that did not run.

    Args:
        outcomes: The finished runs.
        reasons: Why, from the log.

    Returns:
        One finding for each suite, tool and reason; the most frequent first.
    """
    honest = (outcome for outcome in outcomes if not outcome.injection_task)
    hits = [_Hit(outcome, call) for outcome in honest for call in outcome.calls if call.outcome != "ran"]
    return _grouped(hits, reasons, lost=lambda outcome: not outcome.utility)


def injected_calls_that_ran(outcomes: Iterable[Outcome], reasons: Reasons) -> tuple[Finding, ...]:
    """Count the calls of injections that ran.

    Args:
        outcomes: The finished runs.
        reasons: What let them through, from the log.

    Returns:
        One finding for each suite, tool and reason; the most frequent first.
    """
    hits = [_Hit(o, call) for o in outcomes for call in o.calls if call.injected and call.took_effect]
    return _grouped(hits, reasons, lost=lambda outcome: bool(outcome.attack_succeeded))


def _grouped(hits: Iterable[_Hit], reasons: Reasons, *, lost: Callable[[Outcome], bool]) -> tuple[Finding, ...]:
    groups: dict[tuple[str, str, str], list[_Hit]] = {}
    for hit in hits:
        reason = reasons.get((hit.outcome.trace, hit.call.id), UNKNOWN)
        groups.setdefault((hit.outcome.suite, hit.call.tool, reason), []).append(hit)
    return tuple(
        _finding(key, found, lost) for key, found in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def _finding(key: tuple[str, str, str], hits: list[_Hit], lost: Callable[[Outcome], bool]) -> Finding:
    runs = {hit.outcome.case: hit.outcome for hit in hits}
    worst = sorted(runs.values(), key=lost, reverse=True)
    return Finding(*key, len(hits), len(runs), sum(map(lost, worst)), worst[0].trace)
