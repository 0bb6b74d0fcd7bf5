"""The guard node: every proposed call meets policy here, and leaves with a permit, a question or a refusal.

Invariant: nothing runs here. The node may be passed any number of times for one turn (after each approval, after a
crash): a shell over ``TurnReview``, it turns what was ruled into an update of state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.core.place import PrincipalSource
from aisecops_langchain.adapters.core.turn import TurnReview
from aisecops_langchain.adapters.nodes.node import GovernanceNode
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plans.tasks import Toolbox


class ToolGuardNode(GovernanceNode):
    """Decides on the calls of the model's last message.

    Args:
        tools: The tools within reach, governed.
        governor: Decides and records.
        principal: Who acts.
        system_prompt: The agent's own instructions, as the planning node shows them.
        require_plan: Whether calls are refused that no planning node of ours recorded. Leave it off only where
            another node calls the model; policy still decides on every call.
        leave_answered: Whether calls that somebody answered before stay out of the plan, as those that the host itself
            answers, for structured output.
        by_message: Whether a turn is known by its message rather than by the task that reviews it.
        inside: How many graphs of ours lie between the node and the graph that it works for.
    """

    def __init__(
        self,
        tools: Toolbox,
        governor: Governor,
        principal: PrincipalSource,
        *,
        system_prompt: str | None = None,
        require_plan: bool = False,
        leave_answered: bool = False,
        by_message: bool = False,
        inside: int = 0,
    ) -> None:
        super().__init__(governor, principal, inside=inside)
        self._review = TurnReview(
            tools,
            governor,
            system_prompt=system_prompt,
            require_plan=require_plan,
            leave_answered=leave_answered,
            by_message=by_message,
        )

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Decide on every call that has no answer yet."""
        place = self.locate(state, config)
        ruling = self._review.review(place)
        if ruling is None:
            return {CHANNEL: {"trace": place.scope.trace, "next": {}}}
        if ruling.waits:
            return {CHANNEL: {"trace": place.scope.trace, "next": ruling.following()}}
        memory = {
            "trace": place.scope.trace,
            "plan": ruling.reference.to_json() if ruling.reference else None,
            "next": ruling.following(),
            "labels": ruling.labels,
        }
        return {MESSAGES: [*ruling.changed(), *ruling.refusals], CHANNEL: memory}
