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

from aisecops_langchain.adapters.core.context import ModelContext
from aisecops_langchain.adapters.core.place import Place, PrincipalSource, traced
from aisecops_langchain.adapters.core.proposing import EXHAUSTED, Proposed, Proposing
from aisecops_langchain.adapters.nodes.node import GovernanceNode, mapping_of
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plans.tasks import Toolbox


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
        self._proposing = Proposing(tools, governor)
        self._system_prompt = system_prompt

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Ask the model and record its plan."""
        place, context = self._prepare(state, config)
        if not self._proposing.may_ask(place):
            return _update(self._proposing.propose(place, context, AIMessage(EXHAUSTED)))
        answer = self._model.invoke(list(context.messages), traced(config, place))
        return _update(self._proposing.account(place, context, answer))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """Ask the model on the event loop; everything that waits for files runs in worker threads."""
        place, context = await asyncio.to_thread(self._prepare, mapping_of(input), config)
        if not await asyncio.to_thread(self._proposing.may_ask, place):
            return _update(await asyncio.to_thread(self._proposing.propose, place, context, AIMessage(EXHAUSTED)))
        answer = await self._model.ainvoke(list(context.messages), traced(config, place))
        return _update(await asyncio.to_thread(self._proposing.account, place, context, answer))

    def _prepare(self, state: Mapping[str, Any], config: RunnableConfig | None) -> tuple[Place, ModelContext]:
        place = self.locate(state, config)
        return place, self._proposing.show(place, place.messages, self._system_prompt)


def _update(proposed: Proposed) -> dict[str, Any]:
    return {MESSAGES: [proposed.message], CHANNEL: proposed.memory}
