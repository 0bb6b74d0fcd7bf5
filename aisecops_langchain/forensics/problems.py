"""What a log shows to be missing or unlawful.

Invariant: a problem states a fact about the recorded events and names the event it was seen at; it guesses no cause.
"""

from __future__ import annotations

from enum import StrEnum

from aisecops_langchain.domain.base import Frozen


class ProblemCode(StrEnum):
    """Stable names of what can be wrong."""

    MISSING_PARENT = "missing_parent"
    CONFLICTING_EVENT = "conflicting_event"
    CAUSAL_CYCLE = "causal_cycle"
    NO_RUN_START = "no_run_start"
    SEVERAL_PRINCIPALS = "several_principals"
    SEVERAL_THREADS = "several_threads"
    CALL_NOT_AS_RECORDED = "call_not_as_recorded"
    DECISION_WITHOUT_PLAN = "decision_without_plan"
    PERMIT_WITHOUT_DECISION = "permit_without_decision"
    PERMIT_FOR_DENIED_CALL = "permit_for_denied_call"
    TOO_FEW_APPROVERS = "too_few_approvers"
    PERMIT_WITHOUT_APPROVAL = "permit_without_approval"
    ANSWER_WITHOUT_REQUEST = "answer_without_request"
    ANSWERED_TWICE = "answered_twice"
    APPROVED_AFTER_EXPIRY = "approved_after_expiry"
    EXECUTION_WITHOUT_PERMIT = "execution_without_permit"
    EXECUTION_OF_OTHER_CALL = "execution_of_other_call"
    EXECUTION_AFTER_EXPIRY = "execution_after_expiry"
    PERMIT_USED_TWICE = "permit_used_twice"
    EFFECT_STARTED_TWICE = "effect_started_twice"
    RESTARTED_AFTER_END = "restarted_after_end"
    RESTARTED_WITHOUT_END = "restarted_without_end"
    END_WITHOUT_START = "end_without_start"
    CONFLICTING_ENDS = "conflicting_ends"
    NO_END = "no_end"
    TOOL_OUTSIDE_GOVERNANCE = "tool_outside_governance"


class Problem(Frozen):
    """One gap or violation."""

    code: ProblemCode
    message: str
    """One printable sentence."""
    event: str | None = None
    """Id of the event at which it shows."""
    plan: str | None = None
    call_id: str | None = None
