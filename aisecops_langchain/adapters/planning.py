"""The planning node: the model proposes, and its proposal becomes a recorded, sealed plan. It never acts.

Invariant: the model is shown inspected content only, and nothing that it answers is more than a proposal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig

from aisecops_langchain.adapters.context import ModelContext, read_context, sealed, spoken
from aisecops_langchain.adapters.node import GovernanceNode, mapping_of
from aisecops_langchain.adapters.place import Place, PrincipalSource, traced
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate import proposals_of, storable, tokens_of, unmarked
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.tasks import Toolbox

_EXHAUSTED = "The budget of this run is used up, so I cannot go on."


class PlanningNode(GovernanceNode):
    """Asks the model, and turns what it proposes into a plan.

    Args:
        model: A chat model with the tools bound to it.
        tools: The same tools, governed.
        governor: Plans, seals and records.
        principal: Who acts.
        system_prompt: The agent's own instructions.
    """

    def __init__(
        self,
        model: Runnable[LanguageModelInput, BaseMessage],
        tools: Toolbox,
        governor: Governor,
        principal: PrincipalSource,
        *,
        system_prompt: str | None = None,
    ) -> None:
        super().__init__(governor, principal)
        self._model = model
        self._tools = tools
        self._system_prompt = system_prompt

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Ask the model and record its plan."""
        place, context = self._prepare(state, config)
        if not self._governor.may_ask_model(place.scope):
            return self._propose(place, context, AIMessage(_EXHAUSTED))
        answer = self._model.invoke(list(context.messages), traced(config, place))
        return self._account(place, context, answer)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Ask the model on the event loop; everything that waits for files runs in worker threads."""
        place, context = await asyncio.to_thread(self._prepare, mapping_of(input), config)
        if not await asyncio.to_thread(self._governor.may_ask_model, place.scope):
            return await asyncio.to_thread(self._propose, place, context, AIMessage(_EXHAUSTED))
        answer = await self._model.ainvoke(list(context.messages), traced(config, place))
        return await asyncio.to_thread(self._account, place, context, answer)

    def _prepare(self, state: Mapping[str, Any], config: RunnableConfig | None) -> tuple[Place, ModelContext]:
        place = self.locate(state, config)
        return place, read_context(self._governor, place, place.messages, self._system_prompt)

    def _account(self, place: Place, context: ModelContext, answer: BaseMessage) -> dict[str, Any]:
        self._governor.meter(place.scope, tokens_of(answer, context.messages))
        return self._propose(place, context, answer)

    def _propose(self, place: Place, context: ModelContext, answer: BaseMessage) -> dict[str, Any]:
        if not isinstance(answer, AIMessage):
            raise ConfigurationError(
                "the model answered with another kind of message", expected="AIMessage", got=answer.type
            )
        memory: dict[str, Any] = {"trace": place.scope.trace, "plan": None, "edits": {}, "next": {}}
        if context.frame is not None:
            answer = unmarked(answer, context.frame)
        proposals = proposals_of(answer)
        kept = storable(answer)
        if proposals:
            planner = self._governor.planner
            plan = planner.plan(
                proposals, context.contents, self._tools, place.scope, turn=place.task, frame=context.frame
            )
            planner.record(plan, place.scope)
            memory["plan"] = planner.refer(plan, place.scope).to_json()
        memory["labels"] = sealed(self._governor, place, kept, spoken(place.scope.principal, kept, context.label))
        return {MESSAGES: [kept], CHANNEL: memory}
