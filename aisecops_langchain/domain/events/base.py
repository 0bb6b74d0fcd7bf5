"""What every event carries.

Invariant: an event is complete by itself: who, where, under which policy, because of which earlier events, and when.
Its id is a function of what it records, so that a node which runs twice records the same event once.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.principal import Principal

SCHEMA_VERSION: Final = 1


class Event(BaseModel):
    """Base of all event types; unknown fields of a known kind are kept, so that old readers lose nothing."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False, defer_build=True)

    v: Literal[1] = SCHEMA_VERSION
    """Version of the event schema."""
    kind: str
    """Tag of the union; every type narrows it to one literal."""
    id: str
    """Deterministic identity: a digest over the trace, the kind and what is recorded."""
    time: AwareDatetime
    trace: str
    thread: str
    checkpoint_ns: str = ""
    parents: tuple[str, ...] = ()
    """Ids of the events that this one follows from."""
    principal: Principal
    policy: str
    """Digest of the policy bundle in force."""


class RecordedCall(Frozen):
    """A tool call as the log shows it: secrets and personal data replaced by commitments."""

    call_id: str
    tool: str
    digest: str
    """Digest of the canonical call, over the real arguments."""
    arguments: dict[str, JsonValue]
    """The arguments; a withheld value stands as ``{"$withheld": KIND, "commitment": HMAC}``."""
    complete: bool
    """Whether nothing was withheld, so that the decision can be made again from the log."""


class FindingRecord(Frozen):
    """One thing that a detector saw; of the text itself the log holds at most an excerpt of what was decoded."""

    rule: str
    category: str
    severity: str
    start: int = Field(ge=0)
    """Offset into the raw text, in characters."""
    end: int = Field(ge=0)
    view: str = "text"
    """In which reading of the text it was seen: ``text``, ``normalized``, ``hidden``, ``decoded`` ..."""
    decoded_by: tuple[str, ...] = ()
    """How that reading was made from the raw text, step by step."""
    excerpt: str = ""
    """What was decoded and matched, at most 120 characters; ``[withheld: KIND]`` where that is secret or personal."""


class RemovalRecord(Frozen):
    """Characters of the raw text that were not passed on, whatever they said."""

    kind: str
    """What they were: ``zero_width``, ``bidi``, ``tag``, ``comment``, ``script``, ``hidden`` ..."""
    start: int = Field(ge=0)
    """Offset into the raw text, in characters."""
    end: int = Field(ge=0)
