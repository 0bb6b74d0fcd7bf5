"""Events of authority: who or what allowed which call, and why."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.approval import ApprovalRequirement
from aisecops_langchain.domain.decision import Decision, Reason
from aisecops_langchain.domain.effects import ToolProfile
from aisecops_langchain.domain.events.base import Event, RecordedCall
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.domain.task import NO_TASK, TaskStanding
from aisecops_langchain.domain.usage import Usage


class _CallEvent(Event):
    """An event about one planned call."""

    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the canonical call."""


class CapabilityAllowed(_CallEvent):
    """The agent holds a capability for this tool and these arguments."""

    kind: Literal["capability_allowed"] = "capability_allowed"
    capability: str


class CapabilityBlocked(_CallEvent):
    """No capability of the agent covers this call."""

    kind: Literal["capability_blocked"] = "capability_blocked"
    reasons: tuple[Reason, ...]


class PolicyAllowed(_CallEvent):
    """The rules allow the call without a person."""

    kind: Literal["policy_allowed"] = "policy_allowed"
    rules: tuple[str, ...]


class PolicyBlocked(_CallEvent):
    """The rules deny the call."""

    kind: Literal["policy_blocked"] = "policy_blocked"
    rules: tuple[str, ...]
    reasons: tuple[Reason, ...]


class DecisionMade(Event):
    """The decision on one call, with everything that it was made from, so that it can be made again."""

    kind: Literal["decision_made"] = "decision_made"
    plan: str
    call: RecordedCall
    decision: Decision
    context: Label
    argument_labels: dict[str, Label]
    environment: dict[str, JsonValue]
    argument_methods: dict[str, str] = Field(default_factory=dict)
    tool_profile: ToolProfile | None = None
    """What the tool's own code declared, where the bundle does not declare the tool."""
    task: TaskStanding = NO_TASK
    usage: Usage | None = None
    """What was used so far, where policy has budgets or bounds the risk of a chain."""


class BudgetExhausted(Event):
    """The model is not asked again: a budget that it fills by itself is used up."""

    kind: Literal["budget_exhausted"] = "budget_exhausted"
    budgets: tuple[str, ...]


class _ApprovalEvent(_CallEvent):
    """An event about one approval request."""

    approval: str
    """The approval key: binds call, tool definition, plan, thread and tenant."""


class ApprovalRequested(_ApprovalEvent):
    """A person is asked about exactly this call."""

    kind: Literal["approval_requested"] = "approval_requested"
    expires_at: AwareDatetime
    requires: tuple[ApprovalRequirement, ...] = ()
    """What a yes takes; none means one person who is not the requester."""


class _AnswerEvent(_ApprovalEvent):
    """An event of somebody's answer."""

    approver: Approver
    waited_seconds: float | None = None
    """From the request to this answer."""


class ApprovalVoted(_AnswerEvent):
    """A person said yes, and more persons must before the call may run."""

    kind: Literal["approval_voted"] = "approval_voted"
    missing: int
    """How many more at least."""
    reason: str = ""


class ApprovalGranted(_AnswerEvent):
    """The last person needed allowed exactly this call, or edited it into another that policy decides anew."""

    kind: Literal["approval_granted"] = "approval_granted"
    edited: str | None = None
    """Digest of the call that the person put in its place; it, and not the original, may run if policy lets it."""
    voted: tuple[Approver, ...] = ()
    """Everybody who said yes, where it took more than one."""
    reason: str = ""
    """Why the last of them said so."""


class ApprovalRejected(_AnswerEvent):
    """A person refused the call, or the answer could not be understood as a yes."""

    kind: Literal["approval_rejected"] = "approval_rejected"
    reason: str = ""


class ApprovalResponded(_AnswerEvent):
    """A person said something to the model in place of a yes; the call does not run."""

    kind: Literal["approval_responded"] = "approval_responded"
    response: str
    """Digest of the words."""


class ApprovalAnswerRefused(_AnswerEvent):
    """Somebody answered whose answer does not count; the question stays as it was."""

    kind: Literal["approval_answer_refused"] = "approval_answer_refused"
    answer: str
    """What was answered: ``approve``, ``edit``, ``reject``, ``respond``, or ``elsewhere``: about another call."""
    code: str
    """Why it does not count."""


class ApprovalEscalated(_ApprovalEvent):
    """Nobody answered for so long that others may answer as well, or instead."""

    kind: Literal["approval_escalated"] = "approval_escalated"
    rule: str
    after_seconds: int
    roles: tuple[str, ...]
    """The roles that may answer from now on."""


class ApprovalExpired(_ApprovalEvent):
    """Not enough persons said yes in time; the call is denied."""

    kind: Literal["approval_expired"] = "approval_expired"
    votes: int = 0
    """How many had said yes."""


class PermitIssued(_CallEvent):
    """The call may be started once, until the permit expires."""

    kind: Literal["permit_issued"] = "permit_issued"
    permit: str
    tool_definition: str
    expires_at: AwareDatetime
    approval: str | None = None
    """The approval that it rests on, where one was needed."""
    grant: str | None = None
    """The standing grant that it rests on, where one stood for the approval."""
