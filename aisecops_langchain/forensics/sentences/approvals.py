"""Sentences about what people were asked, and what they answered or granted.

Invariant: every word that comes from the log went through ``text``.
"""

from __future__ import annotations

from aisecops_langchain.domain.events import (
    ApprovalAnswerRefused,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    ApprovalVoted,
    GrantEnded,
    GrantGiven,
    GrantRevoked,
    GrantUsed,
)
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.grants import tell_grant
from aisecops_langchain.forensics.phrases import because, person
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.text import name, names


@tell.register
def _(event: ApprovalRequested, calls: Calls) -> str:
    persons = max((item.approvers for item in event.requires), default=1)
    who = "A person is" if persons == 1 else f"At least {persons} persons are"
    return f"{who} asked to approve {calls.show(event)} until {event.expires_at.isoformat()}"


@tell.register
def _(event: ApprovalVoted, calls: Calls) -> str:
    return f"{person(event.approver)} approved {calls.show(event)}; {event.missing} more must{because(event.reason)}"


@tell.register
def _(event: ApprovalResponded, calls: Calls) -> str:
    return f"{person(event.approver)} told the model something instead of approving {calls.show(event)}"


@tell.register
def _(event: ApprovalAnswerRefused, calls: Calls) -> str:
    what = f"{name(event.answer)} of {person(event.approver)} for {calls.show(event)}"
    return f"The answer {what} does not count ({name(event.code)}); the question stays"


@tell.register
def _(event: ApprovalEscalated, calls: Calls) -> str:
    by = f" of rule {name(event.rule)}" if event.rule else ""
    waited = f"after {event.after_seconds} seconds{by}"
    return f"Nobody answered about {calls.show(event)}; {waited}, {names(event.roles)} may answer"


@tell.register
def _(event: ApprovalGranted, calls: Calls) -> str:
    if event.edited is not None:
        changed = calls.show(event, event.edited)
        return f"{person(event.approver)} changed {calls.show(event)} into {changed}"
    return f"{person(event.approver)} approved {calls.show(event)}{because(event.reason)}"


@tell.register
def _(event: ApprovalRejected, calls: Calls) -> str:
    return f"{person(event.approver)} rejected {calls.show(event)}{because(event.reason)}"


@tell.register
def _(event: ApprovalExpired, calls: Calls) -> str:
    return f"Nobody answered in time about {calls.show(event)}; it is denied"


@tell.register
def _(event: GrantGiven | GrantUsed | GrantEnded | GrantRevoked, calls: Calls) -> str:
    return tell_grant(event, calls)
