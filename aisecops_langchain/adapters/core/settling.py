"""Settling a turn inside one node of somebody else's graph: decide, ask whoever has to be asked, decide again.

Invariant: it is a graph of its own, with one task and so one namespace for each question. LangGraph pairs answers with
interrupts by position within a task; here each task asks one question, so no answer can reach another call. It ends
only when no call waits for a person, and nothing runs in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from aisecops_langchain.adapters.core.place import ApproverSource, PrincipalSource
from aisecops_langchain.adapters.nodes.approval import ApprovalFormat, ApprovalNode
from aisecops_langchain.adapters.nodes.guard import ToolGuardNode
from aisecops_langchain.adapters.nodes.orders import Order, orders
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES, GovernanceState
from aisecops_langchain.adapters.translate.turns import answered_after, last_turn
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plans.tasks import Toolbox

_GUARD: Final = "guard"
_APPROVE: Final = "approve"


def settling(
    tools: Toolbox,
    governor: Governor,
    principal: PrincipalSource,
    *,
    approver: ApproverSource | None = None,
    approval_format: ApprovalFormat = "hitl",
    system_prompt: str | None = None,
    require_plan: bool = False,
    leave_answered: bool = False,
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Build the graph that settles a turn; invoke it from a node, with that node's configuration.

    Args:
        tools: The tools within reach, governed.
        governor: Decides, asks and records.
        principal: Who acts.
        approver: Tells who answers, from the configuration of the resuming call.
        approval_format: How questions and answers look: ``hitl`` as chat interfaces show them, or ``agent_inbox``.
        system_prompt: The agent's own instructions, as the model was shown them.
        require_plan: Whether calls are refused that were not recorded when the model was asked.
        leave_answered: Whether calls that somebody answered before stay out of the plan.

    Returns:
        A graph over messages and the governance channel; it uses the checkpointer of the graph around it.
    """
    guard = ToolGuardNode(
        tools,
        governor,
        principal,
        system_prompt=system_prompt,
        require_plan=require_plan,
        leave_answered=leave_answered,
        by_message=not require_plan,
        inside=1,
    )
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(GovernanceState)
    graph.add_node(_GUARD, guard)
    graph.add_node(
        _APPROVE,
        ApprovalNode(tools, governor, principal, approver=approver, approval_format=approval_format, inside=1),
        input_schema=Order,
    )
    graph.add_edge(START, _GUARD)
    graph.add_conditional_edges(_GUARD, _after_guard, [_APPROVE, END])
    graph.add_edge(_APPROVE, _GUARD)
    return graph.compile(name="settle")


def _after_guard(state: Mapping[str, Any]) -> str | list[Send]:
    questions = following(state).get("approvals")
    if not isinstance(questions, list) or not questions:
        return END
    return [Send(_APPROVE, order) for order in orders(state, {str(item): "" for item in questions})] or END


def following(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the governance channel says comes next."""
    memory = state.get(CHANNEL)
    found = memory.get("next") if isinstance(memory, Mapping) else None
    return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Settled:
    """A turn of which no call waits for a person any more."""

    memory: Mapping[str, Any]
    """The governance channel."""
    refusals: list[ToolMessage]
    """Answers to the calls that may not run."""
    edited: AIMessage | None
    """The model's message with what people edited in it, if they did."""
    permits: Mapping[str, str]
    """Ids of permits, by call id."""
    stop: bool
    """Whether the run has to end."""

    @property
    def plan(self) -> str:
        """Id of the plan."""
        plan = self.memory.get("plan")
        return str(plan.get("plan", "")) if isinstance(plan, Mapping) else ""

    def kept(self) -> dict[str, Any]:
        """Return what a state with a governance channel keeps of it."""
        return {name: self.memory[name] for name in ("trace", "plan", "next", "labels") if name in self.memory}


def settled(before: Sequence[AnyMessage], state: Mapping[str, Any]) -> Settled:
    """Read how a turn was settled.

    Args:
        before: The conversation that went in.
        state: What the graph ended with.

    Returns:
        What became of its calls.
    """
    messages: Sequence[AnyMessage] = state.get(MESSAGES) or []
    memory = state.get(CHANNEL)
    memory = memory if isinstance(memory, Mapping) else {}
    turn, after = last_turn(before), last_turn(messages)
    refusals: list[ToolMessage] = []
    edited = None
    if turn and after:
        answered = answered_after(before, turn[0])
        since = [item for item in messages[after[0] + 1 :] if isinstance(item, ToolMessage)]
        refusals = [item for item in since if item.tool_call_id not in answered]
        edited = after[1] if turn[1].tool_calls != after[1].tool_calls else None
    found = following(state)
    permits = found.get("permits")
    permits = permits if isinstance(permits, Mapping) else {}
    return Settled(memory, refusals, edited, permits, bool(found.get("stop")))
