"""The last node: the model's words are inspected on their way out, and the run's outcome is recorded.

Invariant: no call is left unanswered in the conversation, and a run that governance stopped says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.core.context import opened_label, sealed
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.nodes.node import GovernanceNode
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate import answered_after, last_turn, proposals_of, refusal, text_of, with_text
from aisecops_langchain.domain.events import RunFinished
from aisecops_langchain.domain.labels import NEUTRAL, UNLABELLED, Label
from aisecops_langchain.provenance import SealedLabel
from aisecops_langchain.runtime.admission import Admitted

_Outcome = Literal["completed", "stopped", "blocked"]


class FinishNode(GovernanceNode):
    """Ends a run."""

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None, *, beside: str = "") -> dict[str, Any]:
        """Inspect the final words, or add them if the run was stopped, and record the outcome.

        Args:
            state: The graph's state.
            config: The node's configuration.
            beside: What else the run gives out, as text: blocked together with the final words.

        Returns:
            An update of state; it holds a message only where the words that stand in state must not be given out.

        Raises:
            AuditWriteError: If the outcome could not be made durable.
        """
        place = self.locate(state, config)
        following = place.memory.get("next")
        following = following if isinstance(following, Mapping) else {}
        stop = following.get("stop")
        if stop is None:
            messages, outcome, reason = *self._release(place, beside), ""
        else:
            reason = str(following.get("reason", ""))[:200]
            messages = [*_unanswered(place), AIMessage(f"I stopped here. {reason}")]
            outcome = "blocked" if stop == "blocked" else "stopped"
        labels: dict[str, SealedLabel] = {}
        if stop is not None:
            for message in messages:
                labels |= sealed(self._governor, place, message, NEUTRAL)
        recorder = self._governor.recorder
        recorder.record(RunFinished, place.scope, place.task, outcome=outcome, reason=reason)
        recorder.commit()
        memory = {"labels": labels, "plan": None, "edits": {}, "next": {}}
        return {MESSAGES: messages, CHANNEL: memory}

    def _release(self, place: Place, beside: str) -> tuple[list[BaseMessage], _Outcome]:
        final = place.messages[-1] if place.messages else None
        words = final if isinstance(final, AIMessage) else None
        if words is None and not beside:
            return [], "completed"
        speaker = words or next((item for item in reversed(place.messages) if isinstance(item, AIMessage)), None)
        label = opened_label(self._governor, place, speaker) if speaker is not None else None
        released = [self._inspect(place, text, label) for text in (text_of(words) if words else "", beside) if text]
        if not any(item.blocked for item in released):
            return [], "completed"
        shown = released[0].text
        return [AIMessage(shown) if words is None else with_text(words, lambda _text: shown)], "blocked"

    def _inspect(self, place: Place, text: str, label: Label | None) -> Admitted:
        agent = place.scope.principal.agent
        return self._governor.admission.release(text, place.scope, name=agent, label=label or UNLABELLED)


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
