"""Events of proposals: what the model wanted to do."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.events.base import Event, RecordedCall
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.plan import ArgumentProvenance, RejectedCall
from aisecops_langchain.domain.task import TaskScope


class RecordedStep(Frozen):
    """One planned call with the provenance of its arguments."""

    call: RecordedCall
    tool_definition: str
    provenance: tuple[ArgumentProvenance, ...] = ()


class TaskScoped(Event):
    """The user's own words were read for what they ask for, before any call was decided on."""

    kind: Literal["task_scoped"] = "task_scoped"
    asked: TaskScope


class PlanCreated(Event):
    """The model proposed calls and each of them has a canonical form."""

    kind: Literal["plan_created"] = "plan_created"
    plan: str
    plan_digest: str
    steps: tuple[RecordedStep, ...]
    context: Label


class ArgumentsEndorsed(Event):
    """Arguments count for more than the context they were proposed in, because their values were found elsewhere."""

    kind: Literal["arguments_endorsed"] = "arguments_endorsed"
    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the canonical call."""
    endorsed: tuple[ArgumentProvenance, ...]
    """Argument, the label that it got, how its value was traced and to which sources; never the value."""


class PlanRejected(Event):
    """Proposed calls were refused before any decision: malformed, unknown, or changed after planning."""

    kind: Literal["plan_rejected"] = "plan_rejected"
    plan: str
    rejected: tuple[RejectedCall, ...]
