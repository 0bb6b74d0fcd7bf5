"""``GovernedToolCalls``: the end of a plain chain, ``model.bind_tools(tools) | GovernedToolCalls(tools, ...)``.

Invariant: every call of the message is decided on before any of them runs, and the same message handed in again runs
nothing again. There is no graph, so nothing can wait for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, get_executor_for_config
from langchain_core.tools import BaseTool

from aisecops_langchain.adapters.core.carrying import Carrier
from aisecops_langchain.adapters.core.context import riding
from aisecops_langchain.adapters.core.place import Place, PrincipalSource, acting_for, locate_call
from aisecops_langchain.adapters.core.turn import TurnReview
from aisecops_langchain.adapters.nodes.orders import Order, orders_of
from aisecops_langchain.adapters.tools.injected import injected_names
from aisecops_langchain.adapters.tools.keys import toolbox_for
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.effects.waiting import undisturbed
from aisecops_langchain.runtime.governor import Governor


@dataclass(frozen=True, slots=True)
class _Turn:
    """One message's calls, decided on."""

    place: Place
    orders: list[Order]
    refusals: list[ToolMessage]
    asked: list[str]
    """Ids of all its calls, in order."""


class GovernedToolCalls(Runnable[AIMessage, list[ToolMessage]]):
    """Carries out the calls of a model's message, as far as policy allows.

    Nothing is known of the conversation, so everything that the model saw counts as untrusted. A call that needs
    approval is refused; its request stays in the ledger, and the same message goes through once somebody answered it
    there. The message is known by its id and the ids of its calls.

    Args:
        tools: LangChain tools, or functions to make tools of.
        governor: Decides, remembers and records.
        principal: Who acts, or how to tell from the configuration of a run; by default the bundle's only agent, for
            nobody in particular.

    Raises:
        ConfigurationError: If a tool cannot be governed, wants something injected, or nobody can be named as principal.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool | Callable[..., Any]],
        *,
        governor: Governor,
        principal: PrincipalSource | None = None,
    ) -> None:
        self._tools = toolbox_for(governor, tools)
        for tool in self._tools.values():
            if set(injected_names(tool.tool).values()) - {"call_id"}:
                raise ConfigurationError(
                    f"tool {tool.name} wants something injected, and a chain has nothing to inject"
                )
        self._governor = governor
        self._principal = acting_for(governor, principal)
        self._review = TurnReview(self._tools, governor, unseen=True, must_pause=False)
        self._carrier = Carrier(self._tools, governor, ride=True)

    def invoke(self, input: AIMessage, config: RunnableConfig | None = None, **kwargs: Any) -> list[ToolMessage]:  # noqa: A002, ARG002
        """Decide on the calls of a message and carry out what is allowed; one answer for each call, in order."""
        return self._call_with_config(self._work, input, config, run_type="tool")

    async def ainvoke(self, input: AIMessage, config: RunnableConfig | None = None, **kwargs: Any) -> list[ToolMessage]:  # noqa: A002, ARG002
        """Do the same without blocking the event loop."""
        return await self._acall_with_config(self._awork, input, config, run_type="tool")

    def _work(self, message: AIMessage, run_manager: object, config: RunnableConfig) -> list[ToolMessage]:  # noqa: ARG002
        turn = self._decide(message, config)

        def carry_out(order: Order) -> Any:
            def run(call: Any) -> Any:
                return self._tools[call["name"]].tool.invoke(call, config)

            return self._carrier.carry(turn.place, order, run).output

        with get_executor_for_config(config) as executor:
            return _in_order(turn, list(executor.map(carry_out, turn.orders)))

    async def _awork(self, message: AIMessage, run_manager: object, config: RunnableConfig) -> list[ToolMessage]:  # noqa: ARG002
        turn = await undisturbed(partial(self._decide, message, config))

        async def carry_out(order: Order) -> Any:
            async def run(call: Any) -> Any:
                return await self._tools[call["name"]].tool.ainvoke(call, config)

            return (await self._carrier.acarry(turn.place, order, run)).output

        return _in_order(turn, await asyncio.gather(*(carry_out(order) for order in turn.orders)))

    def _decide(self, message: AIMessage, config: RunnableConfig) -> _Turn:
        if not isinstance(message, AIMessage):
            raise ConfigurationError("no calls to carry out", expected="an AIMessage", got=type(message).__name__)
        found = locate_call(self._governor, self._principal, ensure_config(config), message)
        place = replace(found, can_pause=False)
        ruling = self._review.review(place)
        if ruling is None:
            return _Turn(place, [], [], [])
        orders = orders_of(message, ruling.permits, trace=place.scope.trace, plan=ruling.plan)
        refusals = [riding(answer, ruling.labels) for answer in ruling.refusals]
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        return _Turn(place, orders, refusals, [call.get("id") or "" for call in calls])


def _in_order(turn: _Turn, outputs: Sequence[Any]) -> list[ToolMessage]:
    """Return all answers in the order of the calls; a tool's own commands mean nothing outside a graph."""
    flat = [item for output in outputs for item in (output if isinstance(output, list) else [output])]
    answers = [*turn.refusals, *(item for item in flat if isinstance(item, ToolMessage))]
    order = {call_id: position for position, call_id in enumerate(turn.asked)}
    return sorted(answers, key=lambda answer: order.get(answer.tool_call_id, len(order)))
