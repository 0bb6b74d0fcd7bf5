"""The events of the audit log: one frozen type per kind, in one tagged union.

Invariant: ``parse_event`` accepts exactly the kinds listed here. An unknown kind is refused; unknown fields of a
known kind are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias, cast, get_args

import orjson
from pydantic import Discriminator, ValidationError

from aisecops_langchain.domain.events.authority import (
    ApprovalAnswerRefused,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalResponded,
    ApprovalVoted,
    BudgetExhausted,
    CapabilityAllowed,
    CapabilityBlocked,
    DecisionMade,
    PermitIssued,
    PolicyAllowed,
    PolicyBlocked,
)
from aisecops_langchain.domain.events.base import SCHEMA_VERSION, Event, FindingRecord, RecordedCall, RemovalRecord
from aisecops_langchain.domain.events.content import (
    ContentAdmitted,
    ContentBlocked,
    ContentSanitized,
    MarkRepeated,
    OutputAllowed,
    OutputBlocked,
    PromptAllowed,
    PromptBlocked,
)
from aisecops_langchain.domain.events.control import (
    CheckpointRefused,
    IdentityRefused,
    StopLifted,
    StopOrdered,
    StopReported,
    WarrantIssued,
    WarrantRefused,
)
from aisecops_langchain.domain.events.execution import (
    EffectResolved,
    ExecutionBlocked,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionLate,
    ExecutionRetried,
    ExecutionStarted,
    ExecutionUnknown,
)
from aisecops_langchain.domain.events.grants import GrantEnded, GrantGiven, GrantRevoked, GrantUsed
from aisecops_langchain.domain.events.memory import (
    MemoryBlocked,
    MemoryErased,
    MemoryRead,
    MemoryTampered,
    MemoryWritten,
)
from aisecops_langchain.domain.events.planning import (
    ArgumentsEndorsed,
    PlanCreated,
    PlanRejected,
    RecordedStep,
    TaskScoped,
)
from aisecops_langchain.domain.events.policy import PolicyLoaded
from aisecops_langchain.domain.events.run import RunFinished, RunPaused, RunResumed, RunStarted
from aisecops_langchain.domain.events.spans import (
    ModelFailed,
    ModelFinished,
    ModelStarted,
    RetrievalFailed,
    RetrievalFinished,
    RetrievalStarted,
    ToolFailed,
    ToolFinished,
    ToolStarted,
)
from aisecops_langchain.errors import AuditFormatError

AnyEvent: TypeAlias = Annotated[
    RunStarted
    | RunPaused
    | RunResumed
    | RunFinished
    | ContentAdmitted
    | ContentSanitized
    | ContentBlocked
    | MarkRepeated
    | MemoryWritten
    | MemoryRead
    | MemoryErased
    | MemoryBlocked
    | MemoryTampered
    | PromptAllowed
    | PromptBlocked
    | OutputAllowed
    | OutputBlocked
    | TaskScoped
    | ArgumentsEndorsed
    | PlanCreated
    | PlanRejected
    | CapabilityAllowed
    | CapabilityBlocked
    | PolicyAllowed
    | PolicyBlocked
    | PolicyLoaded
    | DecisionMade
    | ApprovalRequested
    | ApprovalVoted
    | ApprovalGranted
    | ApprovalRejected
    | ApprovalResponded
    | ApprovalAnswerRefused
    | ApprovalEscalated
    | ApprovalExpired
    | BudgetExhausted
    | GrantGiven
    | GrantUsed
    | GrantEnded
    | GrantRevoked
    | PermitIssued
    | ExecutionStarted
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionUnknown
    | ExecutionRetried
    | ExecutionLate
    | ExecutionBlocked
    | EffectResolved
    | ModelStarted
    | ModelFinished
    | ModelFailed
    | ToolStarted
    | ToolFinished
    | ToolFailed
    | RetrievalStarted
    | RetrievalFinished
    | RetrievalFailed
    | IdentityRefused
    | WarrantIssued
    | WarrantRefused
    | StopOrdered
    | StopLifted
    | StopReported
    | CheckpointRefused,
    Discriminator("kind"),
]

_TYPES: Final[Mapping[str, type[Event]]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(get_args(AnyEvent)[0])
}


def parse_event(data: bytes | str) -> AnyEvent:
    """Read one event from its JSON text.

    Args:
        data: One line of a log, or any JSON text of one event.

    Returns:
        The event, of its own type.

    Raises:
        AuditFormatError: If the text is not an event of a kind and version known here.
    """
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise _unknown("line", "not JSON") from None
    kind = found.get("kind") if isinstance(found, dict) else None
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise _unknown("kind", "a kind that is not of this schema")
    try:
        return cast("AnyEvent", known.model_validate_json(data))  # each type builds its reader when it is first met
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _unknown(".".join(str(part) for part in first["loc"]) or "line", first["msg"]) from None


def _unknown(where: str, what: str) -> AuditFormatError:
    return AuditFormatError(
        "line is not an event of this schema",
        expected=f"an event of schema version {SCHEMA_VERSION}",
        got=f"{where}: {what}",
        remedy="read it with the release that wrote it, or treat the log as tampered with",
    )


__all__ = [
    "SCHEMA_VERSION",
    "AnyEvent",
    "ApprovalAnswerRefused",
    "ApprovalEscalated",
    "ApprovalExpired",
    "ApprovalGranted",
    "ApprovalRejected",
    "ApprovalRequested",
    "ApprovalResponded",
    "ApprovalVoted",
    "ArgumentsEndorsed",
    "BudgetExhausted",
    "CapabilityAllowed",
    "CapabilityBlocked",
    "CheckpointRefused",
    "ContentAdmitted",
    "ContentBlocked",
    "ContentSanitized",
    "DecisionMade",
    "EffectResolved",
    "Event",
    "ExecutionBlocked",
    "ExecutionCompleted",
    "ExecutionFailed",
    "ExecutionLate",
    "ExecutionRetried",
    "ExecutionStarted",
    "ExecutionUnknown",
    "FindingRecord",
    "GrantEnded",
    "GrantGiven",
    "GrantRevoked",
    "GrantUsed",
    "IdentityRefused",
    "MarkRepeated",
    "MemoryBlocked",
    "MemoryErased",
    "MemoryRead",
    "MemoryTampered",
    "MemoryWritten",
    "ModelFailed",
    "ModelFinished",
    "ModelStarted",
    "OutputAllowed",
    "OutputBlocked",
    "PermitIssued",
    "PlanCreated",
    "PlanRejected",
    "PolicyAllowed",
    "PolicyBlocked",
    "PolicyLoaded",
    "PromptAllowed",
    "PromptBlocked",
    "RecordedCall",
    "RecordedStep",
    "RemovalRecord",
    "RetrievalFailed",
    "RetrievalFinished",
    "RetrievalStarted",
    "RunFinished",
    "RunPaused",
    "RunResumed",
    "RunStarted",
    "StopLifted",
    "StopOrdered",
    "StopReported",
    "TaskScoped",
    "ToolFailed",
    "ToolFinished",
    "ToolStarted",
    "WarrantIssued",
    "WarrantRefused",
    "parse_event",
]
