"""Events of effects: what really ran, and what was kept from running."""

from __future__ import annotations

from typing import Literal

from aisecops_langchain.domain.events.base import Event
from aisecops_langchain.domain.labels import Label
from aisecops_langchain.domain.permit import Resolver


class _EffectEvent(Event):
    """An event about one effect."""

    plan: str
    call_id: str
    tool: str
    call: str
    """Digest of the canonical call."""
    permit: str


class ExecutionStarted(_EffectEvent):
    """The intent: durable before the tool runs."""

    kind: Literal["execution_started"] = "execution_started"
    attempt: int = 1
    """Counts from 1; a later one follows one that raised, or a process that ended before it recorded an outcome."""
    idempotent: bool = False
    """Whether policy declared the tool idempotent, so that a later attempt is lawful."""
    idempotency_key: str = ""
    """The key of the effect, the same for all its attempts, by which a target system can be asked for it."""


class ExecutionRetried(_EffectEvent):
    """An attempt of an idempotent tool raised, and another one follows under the same permit."""

    kind: Literal["execution_retried"] = "execution_retried"
    attempt: int
    """Of the one that raised."""
    error: str
    """Type of the error."""


class ExecutionCompleted(_EffectEvent):
    """The tool returned."""

    kind: Literal["execution_completed"] = "execution_completed"
    result_digest: str
    label: Label
    """Label of the result as the model sees it."""


class ExecutionFailed(_EffectEvent):
    """The tool raised; its message stays out of the log, its type does not."""

    kind: Literal["execution_failed"] = "execution_failed"
    error: str
    """Type of the error."""


class ExecutionUnknown(_EffectEvent):
    """It was started and nobody knows whether it took place; it is not run again by itself."""

    kind: Literal["execution_unknown"] = "execution_unknown"
    reason: str


class ExecutionLate(_EffectEvent):
    """A tool ended after nobody waited for it any more; evidence for whoever settles its unknown effect, no more."""

    kind: Literal["execution_late"] = "execution_late"
    outcome: Literal["completed", "failed"]
    """Whether it returned or raised."""
    error: str = ""
    """Type of the error."""


class EffectResolved(_EffectEvent):
    """Somebody found out how an unknown effect ended; it is settled, and never run again."""

    kind: Literal["effect_resolved"] = "effect_resolved"
    outcome: Literal["completed", "failed"]
    by: str
    """Who said so; not verified."""
    resolver: Resolver
    reason: str = ""


class ExecutionBlocked(_EffectEvent):
    """Something asked to run a call without a valid, unused permit for it; nothing ran."""

    kind: Literal["execution_blocked"] = "execution_blocked"
    code: str
    reason: str
