"""Asking a model: what it may be shown, and what its answer comes to, whoever does the asking.

Invariant: the model is shown inspected content only, and nothing that it answers is more than a proposal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage

from aisecops_langchain.adapters.core.context import ModelContext, read_context, sealed, spoken
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.translate.calls import proposals_of, storable
from aisecops_langchain.adapters.translate.marks import unmarked
from aisecops_langchain.adapters.translate.turns import tokens_of
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.plans.tasks import Toolbox

EXHAUSTED: Final = "The budget of this run is used up, so I cannot go on."
"""What stands in the model's place where no budget is left for asking it."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a model answered, fit to be kept."""

    message: AIMessage
    memory: dict[str, Any]
    """What the governance channel is told of it."""


class Proposing:
    """Prepares what a model is shown, and makes a recorded, sealed plan of what it answers.

    Args:
        tools: The tools within reach, governed.
        governor: Plans, seals and records.
    """

    def __init__(self, tools: Toolbox, governor: Governor) -> None:
        self._tools = tools
        self._governor = governor

    def show(self, place: Place, messages: Sequence[AnyMessage], system_prompt: str | None) -> ModelContext:
        """Prepare a conversation for a model.

        Args:
            place: Where.
            messages: The conversation.
            system_prompt: The agent's own instructions, from configuration.

        Returns:
            What may be shown, labelled.

        Raises:
            SanitizeError: If a message could not be inspected.
            AuditWriteError: If an inspection could not be recorded.
        """
        return read_context(self._governor, place, messages, system_prompt)

    def may_ask(self, place: Place) -> bool:
        """Tell whether a budget is left for asking the model; recorded if not."""
        return self._governor.oversight.may_ask_model(place.scope)

    def account(
        self, place: Place, context: ModelContext, answer: BaseMessage, *, aside: Collection[str] = ()
    ) -> Proposed:
        """Meter what the model used, and make a plan of what it answered.

        Args:
            place: Where.
            context: What it was shown.
            answer: What it answered.
            aside: Ids of calls that are none of ours, as those that the host answers itself for structured output.

        Returns:
            The answer and its plan.

        Raises:
            ConfigurationError: If the answer is not a model's message.
            AuditWriteError: If the plan could not be recorded.
        """
        self._governor.oversight.meter(place.scope, tokens_of(answer, context.messages))
        return self.propose(place, context, answer, aside=aside)

    def propose(
        self, place: Place, context: ModelContext, answer: BaseMessage, *, aside: Collection[str] = ()
    ) -> Proposed:
        """Make a plan of an answer, without metering it; see ``account``."""
        if not isinstance(answer, AIMessage):
            raise ConfigurationError(
                "the model answered with another kind of message", expected="AIMessage", got=answer.type
            )
        memory: dict[str, Any] = {"trace": place.scope.trace, "plan": None, "edits": {}, "next": {}}
        if context.frame is not None:
            answer = unmarked(answer, context.frame)
        proposals = [proposal for proposal in proposals_of(answer) if proposal.call_id not in aside]
        kept = storable(answer)
        if proposals:
            planner = self._governor.planner
            plan = planner.plan(
                proposals, context.contents, self._tools, place.scope, turn=place.task, frame=context.frame
            )
            planner.record(plan, place.scope)
            memory["plan"] = planner.refer(plan, place.scope).to_json()
        memory["labels"] = sealed(
            self._governor,
            place,
            kept,
            spoken(place.scope.principal, kept, context.label),
            speaker=place.scope.principal.agent,
        )
        return Proposed(kept, memory)
