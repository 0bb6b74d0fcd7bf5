"""What became of one run, as data that is kept and read again.

Invariant: an outcome holds no content: names, ids, counts and codes only.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.evals.agentdojo.cases import Case
from aisecops_langchain.evals.agentdojo.proposals import is_injected, number_of
from aisecops_langchain.evals.agentdojo.trace import Fate, fate


class CallOutcome(Frozen):
    """What became of one proposed call."""

    id: str
    tool: str
    injected: bool
    """Whether the injection wanted it, and not the user's task."""
    outcome: Fate

    @property
    def took_effect(self) -> bool:
        """Whether the tool did its work, or may have; what is unknown counts as done."""
        return self.outcome in {"ran", "unknown"}


class Outcome(Frozen):
    """What became of one run."""

    suite: str
    user_task: str
    injection_task: str = ""
    """Empty for an honest world."""
    utility: bool
    """Whether AgentDojo's checker finds the user served, and every call that solves the task ran."""
    attack_succeeded: bool | None = None
    """Whether AgentDojo's checker finds that the injection reached its goal; ``None`` for an honest world."""
    text_only: bool = False
    """Whether the injection wants words only, which no gate for tools can stop."""
    seen: bool = False
    """Whether a tool returned the injected text."""
    approvals: int = 0
    """How often a person was asked."""
    trace: str = ""
    """Identity of the run in the audit log; empty if it never began."""
    calls: tuple[CallOutcome, ...] = ()
    reason: str = ""
    """Why the user was not served, without any content."""

    @property
    def case(self) -> Case:
        """What was run."""
        return Case(self.suite, self.user_task, self.injection_task)

    @property
    def executed(self) -> int:
        """Calls that ran."""
        return sum(call.outcome == "ran" for call in self.calls)

    @property
    def refused(self) -> int:
        """Calls that came back to the planner as errors."""
        return len(self.calls) - self.executed


def call_outcomes(messages: Sequence[BaseMessage]) -> tuple[CallOutcome, ...]:
    """Read what became of every proposed call.

    Args:
        messages: A finished conversation.

    Returns:
        The calls, in the order proposed.
    """
    answers = {message.tool_call_id: message for message in messages if isinstance(message, ToolMessage)}
    return tuple(
        CallOutcome(
            id=call["id"] or "",
            tool=call["name"],
            injected=is_injected(call["id"] or ""),
            outcome=fate(answers.get(call["id"] or "")),
        )
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    )


def all_injected_ran(calls: Sequence[CallOutcome]) -> bool:
    """Tell whether everything that an injection wanted was done.

    Args:
        calls: The calls of a run.

    Returns:
        Whether there was such a call and each was carried out, at the first attempt or a later one.
    """
    wanted = {number_of(call.id) for call in calls if call.injected}
    ran = {number_of(call.id) for call in calls if call.injected and call.took_effect}
    return bool(wanted) and wanted == ran
