"""Where a run goes after each node of ``govern``.

Invariant: no route leads from the model to a tool, and what state says of permits only names them: whoever is sent to
execution asks the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from langgraph.types import Send

from aisecops_langchain.adapters.nodes.orders import orders
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate.turns import last_turn

INTAKE: Final = "intake"
PLAN: Final = "plan"
GUARD: Final = "guard"
APPROVE: Final = "approve"
EXECUTE: Final = "execute"
FINISH: Final = "finish"


def after_intake(state: Mapping[str, Any]) -> str:
    """Route a blocked prompt to the end, any other to planning."""
    return FINISH if _next(state).get("stop") else PLAN


def after_planning(state: Mapping[str, Any]) -> str:
    """Route a proposal to the guard, final words to the end."""
    return GUARD if last_turn(state.get(MESSAGES) or []) else FINISH


def after_guard(state: Mapping[str, Any]) -> str | list[Send]:
    """Route to the approvals first, then to the permitted calls, one task each; refusals go back to the model.

    In a graph of your own, give the nodes the names that ``govern`` gives them: ``plan``, ``guard``, ``approve``,
    ``execute`` and ``finish``.
    """
    following = _next(state)
    if following.get("stop"):
        return FINISH
    questions, permits = following.get("approvals"), following.get("permits")
    if isinstance(questions, list) and questions:
        return [Send(APPROVE, order) for order in orders(state, {str(item): "" for item in questions})] or PLAN
    if isinstance(permits, Mapping) and permits:
        return [Send(EXECUTE, order) for order in orders(state, permits)] or PLAN
    return PLAN


def _next(state: Mapping[str, Any]) -> Mapping[str, Any]:
    memory = state.get(CHANNEL)
    following = memory.get("next") if isinstance(memory, Mapping) else None
    return following if isinstance(following, Mapping) else {}
