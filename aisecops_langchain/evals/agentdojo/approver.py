"""Who answers when policy wants a person: nobody, or an oracle that knows what the user asked for.

Invariant: an oracle approves a call by the digest that the approval is bound to, tool and canonical arguments, and
each no more often than the user's task needs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from langchain_core.messages import ToolCall
from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

from aisecops_langchain.adapters.tools.governed import toolbox
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.errors import AisecopsError


class ApproverKind(StrEnum):
    """Who answers."""

    NONE = "none"
    """Nobody: every question counts as a no."""
    ORACLE = "oracle"
    """Somebody who approves exactly the calls that solve the user's task."""


class _Binding(BaseModel):
    call: str


class _Question(BaseModel):
    aisecops: _Binding


class CallApprover:
    """Answers the approval requests of one run.

    Args:
        approved: Digests of the calls that are approved, each as often as it stands there.
    """

    def __init__(self, approved: Iterable[str] = ()) -> None:
        self._left = Counter(approved)
        self.asked = 0

    def answer(self, question: object) -> Mapping[str, object]:
        """Answer one question.

        Args:
            question: The payload of the interrupt.

        Returns:
            One decision, as chat interfaces send it; a question that makes no sense is answered with a no.
        """
        self.asked += 1
        try:
            call = _Question.model_validate(question).aisecops.call
        except ValidationError:
            call = ""
        if self._left[call] <= 0:
            return {"decisions": [{"type": "reject", "message": "Not approved."}]}
        self._left[call] -= 1
        return {"decisions": [{"type": "approve"}]}


def approver_for(kind: ApproverKind, calls: Iterable[ToolCall], tools: Iterable[BaseTool]) -> CallApprover:
    """Choose who answers in one run.

    Args:
        kind: Who.
        calls: The calls that solve the user's task.
        tools: The agent's tools, which give those calls their canonical form.

    Returns:
        The approver.
    """
    if kind is ApproverKind.NONE:
        return CallApprover()
    calls = tuple(calls)
    needed = {call["name"] for call in calls}
    governed = toolbox([tool for tool in tools if tool.name in needed])
    digests: list[str] = []
    for call in calls:
        try:
            arguments = governed[call["name"]].canonical_arguments(call["args"])
            digests.append(CanonicalCall.of(call["name"], arguments).digest)
        except (AisecopsError, KeyError):
            continue  # such a call is rejected when the plan is made, and nobody is asked about it
    return CallApprover(digests)
