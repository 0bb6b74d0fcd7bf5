"""What a person is shown before they answer, and what they answered.

Invariant: what is shown is read from the interrupt's payload, which holds exactly the call that the answer is bound to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, JsonValue

STAND_IN: Final = "jonas.weber"
"""The treasurer, played by the demo where nobody is asked."""


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Argument(_Payload):
    """Where one argument came from."""

    argument: str
    integrity: str
    method: str


class _Facts(_Payload):
    reasons: tuple[str, ...]
    risk: str
    provenance: tuple[Argument, ...]
    call: str
    expires_at: str


class _Action(_Payload):
    name: str
    args: dict[str, JsonValue]


class _Interrupt(_Payload):
    action_requests: tuple[_Action]
    aisecops: _Facts


@dataclass(frozen=True, slots=True)
class Question:
    """One call that waits for a person."""

    tool: str
    arguments: Mapping[str, JsonValue]
    reasons: tuple[str, ...]
    risk: str
    provenance: tuple[Argument, ...]
    digest: str
    """Digest of the call; the answer is good for it alone."""
    expires_at: str
    """ISO 8601."""

    @classmethod
    def read(cls, payload: object) -> Question:
        """Read the payload of an interrupt.

        Args:
            payload: What the approval node asked.

        Returns:
            The question.
        """
        found = _Interrupt.model_validate(payload)
        action, facts = found.action_requests[0], found.aisecops
        return cls(action.name, action.args, facts.reasons, facts.risk, facts.provenance, facts.call, facts.expires_at)


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody said to a question."""

    approved: bool
    by: str
    reason: str = ""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the answer in the form that LangChain's chat interfaces send."""
        decision: JsonValue = {"type": "approve"} if self.approved else {"type": "reject", "message": self.reason}
        return {"decisions": [decision]}


Ask = Callable[[Question], Answer]
"""Puts a question to somebody."""
