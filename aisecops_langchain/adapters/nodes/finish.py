"""The last node: the model's words are inspected on their way out, and the run's outcome is recorded.

Invariant: no call is left unanswered in the conversation, and a run that governance stopped says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.core.context import sealed
from aisecops_langchain.adapters.core.final_words import GivenOut, give_out
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.nodes.node import GovernanceNode
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate.answers import refusal
from aisecops_langchain.adapters.translate.calls import proposals_of
from aisecops_langchain.adapters.translate.turns import answered_after, last_turn
from aisecops_langchain.domain.events import RunFinished
from aisecops_langchain.domain.labels import NEUTRAL
from aisecops_langchain.provenance import SealedLabel

_Outcome = Literal["completed", "stopped", "blocked"]

STRUCTURED: Final = "structured_response"
"""Where ``create_agent`` keeps the object that a run gives out beside its words."""


class FinishNode(GovernanceNode):
    """Ends a run."""

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None, *, beside: object = None) -> dict[str, Any]:
        """Inspect the final words, or add them if the run was stopped, and record the outcome.

        Args:
            state: The graph's state.
            config: The node's configuration.
            beside: What else the run gives out, such as a structured response.

        Returns:
            An update of state; it holds a message only where the words that stand in state must not be given out, and
            ``structured_response`` only where the object beside them must not.

        Raises:
            AuditWriteError: If the outcome could not be made durable.
        """
        place = self.locate(state, config)
        following = place.memory.get("next")
        following = following if isinstance(following, Mapping) else {}
        stop = following.get("stop")
        outcome: _Outcome
        messages: list[BaseMessage]
        if stop is None:
            given, reason = give_out(self._governor, place, beside), ""
            messages = [] if given.message is None else [given.message]
            outcome = "blocked" if given.blocked else "completed"
        else:
            reason = str(following.get("reason", ""))[:200]
            messages = [*_unanswered(place), AIMessage(f"I stopped here. {reason}")]
            given = GivenOut(label=NEUTRAL)
            outcome = "blocked" if stop == "blocked" else "stopped"
        labels: dict[str, SealedLabel] = {}
        for message in messages:
            speaker = place.scope.principal.agent if isinstance(message, AIMessage) else ""
            labels |= sealed(self._governor, place, message, given.label, speaker=speaker)
        recorder = self._governor.recorder
        recorder.record(RunFinished, place.scope, place.task, outcome=outcome, reason=reason)
        recorder.commit()
        memory = {"labels": labels, "plan": None, "edits": {}, "next": {}}
        update = {MESSAGES: messages, CHANNEL: memory}
        return update if given.beside is beside else {**update, STRUCTURED: given.beside}


def _unanswered(place: Place) -> list[BaseMessage]:
    turn = last_turn(place.messages)
    if turn is None:
        return []
    index, message = turn
    answered = answered_after(place.messages, index)
    return [
        refusal(call.call_id, call.tool, "The run was stopped.", code="stopped")
        for call in proposals_of(message)
        if call.call_id and call.call_id not in answered
    ]
