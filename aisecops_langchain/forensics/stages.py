"""The stages of a governed run, and the order in which they lawfully follow each other.

Invariant: every event kind has exactly one stage. The order of the table breaks ties between events of the same
instant, so that a coarse clock does not make a lawful run look unlawful.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TimelineStage(StrEnum):
    """Where on its way from content to outcome something happened."""

    CONTROL = "control"
    RUN = "run"
    CONTENT = "content"
    MODEL = "model"
    PLAN = "plan"
    CAPABILITY = "capability"
    POLICY = "policy"
    DECISION = "decision"
    APPROVAL = "approval"
    PERMIT = "permit"
    EXECUTION = "execution"
    OUTCOME = "outcome"


_LIFE: Final[tuple[tuple[TimelineStage, tuple[str, ...]], ...]] = (
    (TimelineStage.CONTROL, ("identity_refused", "warrant_refused", "policy_loaded", "checkpoint_refused")),
    (TimelineStage.RUN, ("run_started",)),
    (TimelineStage.CONTENT, ("prompt_allowed", "prompt_blocked", "retrieval_started")),
    (TimelineStage.CONTENT, ("content_admitted", "content_sanitized", "content_blocked", "mark_repeated")),
    (TimelineStage.CONTENT, ("memory_read", "memory_blocked", "memory_tampered")),
    (TimelineStage.CONTENT, ("retrieval_finished", "retrieval_failed")),
    (TimelineStage.MODEL, ("model_started", "model_finished", "model_failed")),
    (TimelineStage.PLAN, ("budget_exhausted", "task_scoped", "plan_created", "arguments_endorsed", "plan_rejected")),
    (TimelineStage.CAPABILITY, ("capability_allowed", "capability_blocked")),
    (TimelineStage.POLICY, ("policy_allowed", "policy_blocked")),
    (TimelineStage.DECISION, ("decision_made",)),
    (TimelineStage.APPROVAL, ("approval_requested", "run_paused")),
    (TimelineStage.APPROVAL, ("approval_escalated", "approval_answer_refused", "approval_voted")),
    (TimelineStage.APPROVAL, ("approval_granted", "approval_rejected", "approval_responded", "approval_expired")),
    (TimelineStage.APPROVAL, ("grant_given", "run_resumed")),
    (TimelineStage.PERMIT, ("grant_ended", "grant_used", "permit_issued")),
    (TimelineStage.EXECUTION, ("execution_started", "tool_started", "tool_finished", "tool_failed")),
    (TimelineStage.EXECUTION, ("execution_retried", "memory_written", "memory_erased")),
    (TimelineStage.EXECUTION, ("execution_completed", "execution_failed", "execution_unknown", "execution_blocked")),
    (TimelineStage.EXECUTION, ("execution_late", "effect_resolved")),
    (TimelineStage.CONTROL, ("warrant_issued", "stop_ordered", "stop_reported", "stop_lifted", "grant_revoked")),
    (TimelineStage.OUTCOME, ("output_allowed", "output_blocked", "run_finished")),
)

STAGE_OF: Final[dict[str, TimelineStage]] = {kind: stage for stage, kinds in _LIFE for kind in kinds}
"""Stage of every event kind."""

RANK_OF: Final[dict[str, int]] = {kind: rank for rank, kind in enumerate(STAGE_OF)}
"""Position of every event kind in a lawful run."""
