"""Orders that the guard's edge sends to approval and execution nodes: a call and references, plain JSON.

Invariant: an order is built from the messages as they stand when it is sent, and read as an attacker's word; what it
asks for happens only if the ledger holds authority for exactly that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from langchain_core.messages import AIMessage, ToolCall

from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate.turns import last_turn
from aisecops_langchain.domain.permit import Binding
from aisecops_langchain.domain.plan import CanonicalCall
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.errors import InvalidCallError
from aisecops_langchain.runtime.content.pseudonyms import Pseudonyms
from aisecops_langchain.runtime.plans.tasks import Toolbox


class Order(TypedDict, total=False):
    """What one approval or execution task is given."""

    aisecops: dict[str, Any]
    call: ToolCall
    plan: str
    permit: str


@dataclass(frozen=True, slots=True)
class Reading:
    """An order as understood: what would really run, and the binding that it needs authority for."""

    call_id: str
    call: CanonicalCall
    binding: Binding
    permit: str


def orders(state: Mapping[str, Any], wanted: Mapping[str, str]) -> list[Order]:
    """Build one order for each wanted call that the model's last message really holds.

    Args:
        state: The graph's state.
        wanted: Permit ids by call id; empty ones where a person is to be asked.

    Returns:
        The orders, in the order of the calls.
    """
    memory = state.get(CHANNEL)
    reference = memory.get("plan") if isinstance(memory, Mapping) else None
    plan = reference.get("plan") if isinstance(reference, Mapping) else None
    turn = last_turn(state.get(MESSAGES) or [])
    if turn is None or not isinstance(memory, Mapping) or not isinstance(plan, str):
        return []
    return orders_of(turn[1], wanted, trace=memory.get("trace"), plan=plan)


def orders_of(message: AIMessage, wanted: Mapping[str, str], *, trace: object, plan: str) -> list[Order]:
    """Build one order for each wanted call of a message.

    Args:
        message: The model's message.
        wanted: Permit ids by call id; empty ones where a person is to be asked.
        trace: The run that it belongs to.
        plan: Id of the plan of its calls.

    Returns:
        The orders, in the order of the calls.
    """
    return [
        Order(aisecops={"trace": trace}, call=call, plan=plan, permit=wanted[call_id])
        for call in message.tool_calls
        if (call_id := call["id"]) is not None and call_id in wanted
    ]


def read_order(order: Mapping[str, Any], tools: Toolbox, scope: Scope, pseudonyms: Pseudonyms) -> Reading:
    """Understand an order by computing everything from the call itself.

    Args:
        order: The order; anything at all.
        tools: The tools within reach, governed.
        scope: Where it was received.
        pseudonyms: Gives the call the values that pseudonyms stand for.

    Returns:
        The reading.

    Raises:
        InvalidCallError: If it is not an order for a known tool with arguments that its schema takes.
        CanonicalizationError: If the arguments have no canonical form.
        LedgerError: If what a pseudonym stands for cannot be read.
    """
    call, plan, permit = order.get("call"), order.get("plan"), order.get("permit", "")
    if not isinstance(call, Mapping) or not isinstance(plan, str) or not isinstance(permit, str):
        raise InvalidCallError("not an order of the guard", expected="a call, a plan and a permit")
    call_id, name, raw = call.get("id"), call.get("name"), call.get("args")
    if not isinstance(call_id, str) or not isinstance(name, str) or not isinstance(raw, Mapping):
        raise InvalidCallError("not a tool call", expected="an id, a name and arguments")
    tool = tools.get(name)
    if tool is None:
        raise InvalidCallError("unknown tool", expected="a tool within this agent's reach")
    canonical = CanonicalCall.of(tool.name, pseudonyms.arguments(tool, raw, scope))
    binding = Binding(
        call_id=call_id,
        call=canonical.digest,
        tool=tool.name,
        tool_definition=tool.definition(),
        plan=plan,
        scope=scope,
    )
    return Reading(call_id=call_id, call=canonical, binding=binding, permit=permit)
