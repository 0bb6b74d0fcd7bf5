"""What is known of the log itself, for the top of every answer.

Invariant: a log counts as verified only after a verification that found nothing; while one is going on, that is what is
said.
"""

from __future__ import annotations

from enum import StrEnum

from aisecops_langchain.audit import Problem, VerifyReport
from aisecops_langchain.domain.base import Frozen


class State(StrEnum):
    """How far a log can be trusted."""

    CHECKING = "checking"
    """It is being verified; nothing is known yet."""
    SOUND = "sound"
    """It verified."""
    UNSOUND = "unsound"
    """It did not verify, or parts of it cannot be read. Trust nothing of it."""


class Standing(Frozen):
    """What is known of a log."""

    state: State
    verified: bool | None
    """Whether the last verification found nothing; None while there was none yet."""
    keys_pinned: bool = False
    """Whether the keys came from the operator; keys found beside the log prove consistency, not who wrote it."""
    unreadable_lines: int = 0
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    notice: str = ""
    """What must be said on top of whatever is shown, in one sentence; empty where there is nothing to say."""


CHECKING = Standing(state=State.CHECKING, verified=None, notice="The log is being verified; trust nothing of it yet.")


def standing_of(report: VerifyReport, *, unreadable: int) -> Standing:
    """Judge a log by its verification.

    Args:
        report: The verification.
        unreadable: Lines that are no events.

    Returns:
        Its standing.
    """
    sound = report.ok and not unreadable
    return Standing(
        state=State.SOUND if sound else State.UNSOUND,
        verified=report.ok,
        keys_pinned=report.keys_pinned,
        unreadable_lines=unreadable,
        problems=report.problems,
        warnings=report.warnings,
        notice=_notice(report, unreadable),
    )


def _notice(report: VerifyReport, unreadable: int) -> str:
    if not report.ok:
        codes = ", ".join(sorted({problem.code for problem in report.problems}))
        return f"This log does not verify: {len(report.problems)} problems ({codes}). Trust nothing of it."
    if unreadable:
        return f"{unreadable} lines of this log are no events and are not shown."
    if report.warnings:
        codes = ", ".join(sorted({warning.code for warning in report.warnings}))
        return f"The end of this log is not what an orderly stop leaves ({codes})."
    return ""
