"""What became of one recorded decision: under the policy that made it, and under each other policy.

Invariant: plain data without the request itself, so that the same course of any number of decisions is kept once, and
counts of it can be added up wherever they were made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from aisecops_langchain.domain.decision import Decision, Effect, Stage
from aisecops_langchain.domain.events import DecisionMade
from aisecops_langchain.forensics.drift.recorded import Recorded, Unknown
from aisecops_langchain.forensics.drift.redecide import HELD, Answer, as_recorded, under
from aisecops_langchain.forensics.drift.report import Change
from aisecops_langchain.policy import Policy

_CHANGE_TO: Final = {
    Effect.ALLOW: Change.NEWLY_ALLOWED,
    Effect.DENY: Change.NEWLY_DENIED,
    Effect.REQUIRE_APPROVAL: Change.NEWLY_ASKED,
}


class Check(StrEnum):
    """What the policy that decided says when it is asked again."""

    REPRODUCED = "reproduced"
    FAULT = "fault"
    UNKNOWN = "unknown"
    """The log does not hold what it would look at."""
    UNCHECKED = "unchecked"
    """It is not at hand."""


class Was(NamedTuple):
    """The recorded side."""

    policy: str
    agent: str
    delegators: tuple[str, ...]
    tool: str
    effect: Effect
    rules: tuple[str, ...]
    reason: str
    check: Check
    detail: str
    """Of a fault the effect that comes out; of what is unknown the reason."""


class Became(NamedTuple):
    """The answer of another policy."""

    change: Change | None
    effect: Effect
    rules: tuple[str, ...]
    reason: str
    capability: str | None
    held: bool
    """Whether a stop, a pin or a warrant denied it, which no policy changes."""


class Course(NamedTuple):
    """What became of one decision."""

    was: Was
    became: tuple[Became | Unknown, ...]
    """By policy, in their order."""


def course_of(
    event: DecisionMade, recorded: Recorded | Unknown, policies: Sequence[Policy], known: Mapping[str, Policy]
) -> Course:
    """Decide one recorded request again.

    Args:
        event: The decision.
        recorded: What it was made from, as far as the log tells.
        policies: The other policies.
        known: The policies that made decisions, by digest, as far as they are at hand.

    Returns:
        What became of it.
    """
    made = event.decision
    before = known.get(made.policy)
    check, detail = (Check.UNCHECKED, "") if before is None else _checked(made, recorded, before)
    was = Was(
        policy=made.policy,
        agent=event.principal.agent,
        delegators=tuple(link.agent for link in event.principal.delegators),
        tool=event.call.tool,
        effect=made.effect,
        rules=made.rules,
        reason=_why(made),
        check=check,
        detail=detail,
    )
    return Course(was, tuple(_became(made, under(made, recorded, policy, before)) for policy in policies))


def _checked(made: Decision, recorded: Recorded | Unknown, policy: Policy) -> tuple[Check, str]:
    answer = as_recorded(made, recorded, policy)
    if isinstance(answer, Unknown):
        return Check.UNKNOWN, answer.value
    if answer:
        return Check.REPRODUCED, ""
    again = under(made, recorded, policy, policy)
    return Check.FAULT, (Effect.DENY if isinstance(again, Unknown) else again.effect).value


def _became(made: Decision, answer: Answer) -> Became | Unknown:
    if isinstance(answer, Unknown):
        return answer
    return Became(
        change=_change(made, answer),
        effect=answer.effect,
        rules=answer.rules,
        reason=_why(answer),
        capability=answer.capability,
        held=made.stage in HELD or (made.stage is Stage.DELEGATION and answer is made),
    )


def _change(old: Decision, new: Decision) -> Change | None:
    if old.effect is not new.effect:
        return _CHANGE_TO[new.effect]
    same = (old.obligations, old.approvals, old.grants) == (new.obligations, new.approvals, new.grants)
    return None if same else Change.TERMS


def _why(decision: Decision) -> str:
    return decision.reasons[0].message if decision.reasons else ""
