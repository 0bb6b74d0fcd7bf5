"""The first node: what the user just said is inspected, labelled as the user's own words, and a run begins.

Invariant: only what came in with this very run is taken for the user's or the developer's words; everything older must
prove its label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

from aisecops_langchain.adapters.core.context import opened_label, sealed
from aisecops_langchain.adapters.core.place import Place, PrincipalSource
from aisecops_langchain.adapters.doors.subagent import carried
from aisecops_langchain.adapters.nodes.node import GovernanceNode
from aisecops_langchain.adapters.state import CHANNEL, MESSAGES
from aisecops_langchain.adapters.translate.words import KINDS, uninspected_in, with_text
from aisecops_langchain.domain.events import RunStarted
from aisecops_langchain.domain.labels import Label, SourceKind, join_all
from aisecops_langchain.provenance import UNKNOWN_SENDER, SealedLabel
from aisecops_langchain.runtime.governor import Governor


class IntakeNode(GovernanceNode):
    """Begins a run: records it, inspects and labels the new prompt.

    Args:
        governor: Inspects, seals and records.
        principal: Who acts.
        tools: Names of the tools within reach, for the record.
    """

    def __init__(self, governor: Governor, principal: PrincipalSource, *, tools: Sequence[str] = ()) -> None:
        super().__init__(governor, principal)
        self._tools = tuple(sorted(tools))

    def run(self, state: Mapping[str, Any], config: RunnableConfig | None) -> dict[str, Any]:
        """Label the new words; a blocked prompt routes to the end.

        Raises:
            AuditWriteError: If the run could not be recorded; it does not begin.
            WarrantError: If the agent acts for another one whose warrant does not stand; recorded.
        """
        place = self.locate(state, config, new_trace=True)
        self._governor.delegations.require(place.scope.principal)
        started = self._governor.recorder.record(RunStarted, place.scope, tools=self._tools)
        labels: dict[str, SealedLabel] = {}
        changed: list[BaseMessage] = []
        blocked = False
        for message in _new_words(place.messages):
            if opened_label(self._governor, place, message) is not None:
                continue
            shown, label, stopped = self._admit(place, message, started)
            blocked = blocked or stopped
            labels.update(sealed(self._governor, place, shown, label))
            if shown is not message:
                changed.append(shown)
        memory: dict[str, Any] = {"trace": place.scope.trace, "labels": labels, "plan": None, "edits": {}, "next": {}}
        if blocked:
            memory["next"] = {"stop": "blocked", "reason": "The prompt was refused."}
        update: dict[str, Any] = {CHANNEL: memory}
        return {**update, MESSAGES: changed} if changed else update

    def _admit(self, place: Place, message: BaseMessage, started: str) -> tuple[BaseMessage, Label, bool]:
        labels: list[Label] = []
        blocked = False
        door = _door(self._governor, place, message)

        def admit(text: str, uninspected: tuple[str, ...] = ()) -> str:
            nonlocal blocked
            admitted = self._governor.admission.admit(
                text,
                place.scope,
                kind=door.kind,
                name=door.name,
                parents=(started,),
                carried=door.label,
                uninspected=uninspected,
            )
            labels.append(admitted.label)
            blocked = blocked or admitted.blocked
            return admitted.text

        shown = with_text(message, admit)
        beside = uninspected_in(message)
        if beside or not labels:  # pictures, say: nobody read them, but they came through this door
            admit("", beside)
        return shown, join_all(labels), blocked


@dataclass(frozen=True, slots=True)
class _Door:
    """How new words came in."""

    kind: SourceKind
    name: str
    label: Label | None = None
    """The label that they proved to bring along."""


def _door(governor: Governor, place: Place, message: BaseMessage) -> _Door:
    """Find out whose words these are: an agent that acts for another one is spoken to by that agent, not by a user."""
    delegators = place.scope.principal.delegators
    if not delegators:
        return _Door(KINDS[message.type], message.type)
    sent = carried(governor, message, message.additional_kwargs, recipient=delegators[-1].warrant)
    label = UNKNOWN_SENDER if sent is None else sent.label
    return _Door(SourceKind.AGENT_MESSAGE, delegators[-1].agent if sent is None else sent.sender, label)


def _new_words(messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """Return the words that came in with this run.

    In a conversation that goes on, that is the last message alone: whatever stands between it and the model's last
    word may have been put there by whoever can write state.
    """
    began = any(isinstance(message, AIMessage | ToolMessage) for message in messages)
    if began:
        return [message for message in messages[-1:] if isinstance(message, HumanMessage)]
    return [message for message in messages if isinstance(message, HumanMessage | SystemMessage)]
