"""What is known of the log itself, for the top of every answer.

Invariant: a log counts as verified only after a verification that found nothing; while none has ended, or one has to be
made anew because the log changed otherwise than by growing, that is what is said. What was seen to happen to the log
while the server ran stays said until it ends.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from aisecops_langchain.audit import Code, Problem, VerifyReport
from aisecops_langchain.domain.base import Frozen

_CUT: Final = frozenset({Code.TORN_TAIL, Code.EMPTY_SEGMENT})
"""Warnings that a log in good order never has; lines that are not signed yet are usual while it is written."""


class State(StrEnum):
    """How far a log can be trusted."""

    CHECKING = "checking"
    """It is being verified; nothing is known yet."""
    SOUND = "sound"
    """It verified, and has only grown since, every line after the one before it."""
    UNSOUND = "unsound"
    """It did not verify, parts of it cannot be read, or it changed otherwise than by growing. Trust nothing of it."""


class Standing(Frozen):
    """What is known of a log."""

    state: State
    verified: bool | None
    """Whether the last verification found nothing; None while there was none yet."""
    verified_at: AwareDatetime | None = None
    """When that verification began."""
    keys_pinned: bool = False
    """Whether the keys came from the operator; keys found beside the log prove consistency, not who wrote it."""
    unreadable_lines: int = 0
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    alarms: tuple[str, ...] = ()
    """What was seen to happen to the log while this server ran."""
    notice: str = ""
    """What must be said on top of whatever is shown, in one sentence; empty where there is nothing to say."""


CHECKING: Final = Standing(
    state=State.CHECKING, verified=None, notice="This log is being verified. Trust nothing of it yet."
)


def standing_of(
    report: VerifyReport, *, at: AwareDatetime, unreadable: int, alarms: tuple[str, ...], again: bool
) -> Standing:
    """Judge a log.

    Args:
        report: Its last verification.
        at: When that began.
        unreadable: Lines that are no events.
        alarms: What was seen to happen to the log.
        again: Whether it changed otherwise than by growing since, and is being verified again.

    Returns:
        Its standing.
    """
    unsound = not report.ok or unreadable or alarms
    return Standing(
        state=State.UNSOUND if unsound else State.CHECKING if again else State.SOUND,
        verified=report.ok,
        verified_at=at,
        keys_pinned=report.keys_pinned,
        unreadable_lines=unreadable,
        problems=report.problems,
        warnings=report.warnings,
        alarms=alarms,
        notice=" ".join(_notices(report, unreadable, alarms, again=again)),
    )


def _notices(report: VerifyReport, unreadable: int, alarms: tuple[str, ...], *, again: bool) -> list[str]:
    said: list[str] = []
    if not report.ok:
        codes = ", ".join(sorted({problem.code for problem in report.problems}))
        said.append(f"This log does not verify: {len(report.problems)} problems ({codes}). Trust nothing of it.")
    if alarms:
        said.append(f"While it was watched, this log changed otherwise than by growing: {'; '.join(alarms)}.")
    if unreadable:
        said.append(f"{unreadable} lines of this log are no events and are not shown.")
    cut = sorted({warning.code for warning in report.warnings} & _CUT)
    if cut:
        said.append(f"The end of this log is not what an orderly stop leaves ({', '.join(cut)}).")
    if again:
        said.append("It is being verified again.")
    return said
