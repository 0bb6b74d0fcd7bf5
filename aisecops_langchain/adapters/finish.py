"""The last node: the model's words are inspected on their way out, and the run's outcome is recorded.

Invariant: no call is left unanswered in the conversation, and a run that governance stopped says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.context import opened_label, sealed
from aisecops_langchain.adapters.node import GovernanceNode
from aisecops_langchain.adapters.place import Place
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate import answered_after, last_turn, proposals_of, refusal, text_of
from aisecops_langchain.domain.events import RunFinished
from aisecops_langchain.domain.labels import NEUTRAL, UNLABELLED, Label
from aisecops_langchain.provenance import SealedLabel

_Outcome = Literal["completed", "stopped", "blocked"]


class FinishNode(GovernanceNode):
    """Ends a run."""

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Inspect the final words, or add them if the run was stopped, and record the outcome.

        Raises:
            AuditWriteError: If the outcome could not be made durable.
        """
        place = self.locate(state, config)
        following = place.memory.get("next")
        following = following if isinstance(following, Mapping) else {}
        stop = following.get("stop")
        label = NEUTRAL
        if stop is None:
            messages, outcome, label = self._release(place)
            reason = ""
        else:
            reason = str(following.get("reason", ""))[:200]
            messages = [*_unanswered(place), AIMessage(f"I stopped here. {reason}")]
            outcome = "blocked" if stop == "blocked" else "stopped"
        labels: dict[str, SealedLabel] = {}
        for message in messages:
            labels |= sealed(self._governor, place, message, label)
        recorder = self._governor.recorder
        recorder.record(RunFinished, place.scope, place.task, outcome=outcome, reason=reason)
        recorder.commit()
        memory = {"labels": labels, "plan": None, "edits": {}, "next": {}}
        return {MESSAGES: messages, CHANNEL: memory}

    def _release(self, place: Place) -> tuple[list[BaseMessage], _Outcome, Label]:
        """Inspect the final words; they are replaced only where something had to be taken out of them."""
        final = place.messages[-1] if place.messages else None
        if not isinstance(final, AIMessage):
            return [], "completed", UNLABELLED
        label = opened_label(self._governor, place, final) or UNLABELLED
        admission = self._governor.admission
        agent = place.scope.principal.agent
        released = admission.release(text_of(final), place.scope, name=agent, label=label)
        if not released.changed:
            return [], "completed", label
        shown = final.model_copy(update={"content": released.text})
        return [shown], "blocked" if released.blocked else "completed", label


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
