"""Inspecting what a tool sent back, whatever shape it has: messages, updates of state, commands.

Invariant: every message in a tool's output was inspected and carries a sealed label before anyone downstream sees it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage, convert_to_messages
from langgraph.types import Command, Send

from aisecops_langchain.adapters.core.acting import recipient_of
from aisecops_langchain.adapters.core.context import riding, sealed
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.doors.subagent import carried
from aisecops_langchain.adapters.nodes.orders import Reading
from aisecops_langchain.adapters.state import MESSAGES
from aisecops_langchain.adapters.translate.data import plain_artifact, structure_of
from aisecops_langchain.adapters.translate.words import text_of, uninspected_in, with_text
from aisecops_langchain.domain.decision import Obligation
from aisecops_langchain.domain.effects import ResultProfile
from aisecops_langchain.domain.labels import Label, SourceKind, join_all
from aisecops_langchain.errors import SanitizeError
from aisecops_langchain.provenance import FieldValue, SealedLabel, fields_of, only_values
from aisecops_langchain.runtime.effects.running import Running
from aisecops_langchain.runtime.governor import Governor


class Inspection:
    """Inspects everything that a tool sent back, and seals a label to each message.

    Args:
        governor: Inspects, seals and records.
        place: Where the messages will stand.
        reading: The call.
        running: Its effect.
        results: What policy says of the tool's results.
        ride: Whether labels are put on the messages themselves.
        messages_key: The channel in which updates of state carry messages.
        read: Labels of what the tool read from memory.

    Attributes:
        labels: Sealed labels, by content.
        seen: The labels.
        raw: The texts as the tool gave them.
    """

    def __init__(
        self,
        governor: Governor,
        place: Place,
        reading: Reading,
        running: Running,
        results: ResultProfile,
        *,
        ride: bool = False,
        messages_key: str = MESSAGES,
        read: Sequence[Label] = (),
    ) -> None:
        self._governor = governor
        self._place = place
        self._reading = reading
        self._running = running
        self._results = results
        self._ride = ride
        self._messages_key = messages_key
        self._read = read
        self._redact = Obligation.REDACT_PII_IN_RESULT in running.record.obligations
        self.labels: dict[str, SealedLabel] = {}
        self.seen: list[Label] = []
        self.raw: list[str] = []

    def of(self, part: Any) -> Any:
        """Derive a part of a tool's output in which every message was inspected.

        Args:
            part: A message, an update of state, a command, or a list of these.

        Returns:
            The same shape with inspected messages.

        Raises:
            SanitizeError: If something in it could not be inspected.
            AuditWriteError: If that could not be recorded.
        """
        if isinstance(part, BaseMessage):
            return self._message(part)
        if isinstance(part, list):
            return [self.of(item) for item in part]
        if isinstance(part, Command):
            return replace(part, update=self._update(part.update), goto=self._sent(part.goto))
        if isinstance(part, dict):
            return {name: self._channel(name, value) for name, value in part.items()}
        return part

    def _update(self, update: Any) -> Any:
        """Derive an update of state; besides a mapping, LangGraph takes pairs and objects with named fields."""
        if isinstance(update, list | tuple):
            return [self._pair(item) for item in update]
        if update is None or isinstance(update, dict | BaseMessage):
            return self.of(update)
        derived = copy.copy(update)
        for name in {self._messages_key, *getattr(update, "__dict__", ())}:
            before = getattr(update, name, None)
            after = None if before is None else self._channel(name, before)
            if after is not before:
                object.__setattr__(derived, name, after)  # it may be frozen for everybody else
        return derived

    def _pair(self, item: Any) -> Any:
        if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
            return item[0], self._channel(item[0], item[1])
        return self.of(item)

    def _channel(self, name: object, value: Any) -> Any:
        """Derive what goes into a channel of state: messages, whichever channel they go into."""
        if name == self._messages_key:
            return self._messages(value)
        if isinstance(value, BaseMessage):
            return self._message(value)
        if isinstance(value, list) and any(isinstance(item, BaseMessage) for item in value):
            return [self._message(item) if isinstance(item, BaseMessage) else item for item in value]
        return value

    def _sent(self, goto: Any) -> Any:
        """Derive where a command leads; what it sends along is a state of its own to the node that gets it."""
        if isinstance(goto, list | tuple):
            return [self._sent(item) for item in goto]
        if not isinstance(goto, Send):
            return goto
        derived = copy.copy(goto)
        derived.arg = self._update(goto.arg)
        return derived

    def _messages(self, found: Any) -> list[BaseMessage]:
        messages = found if isinstance(found, list | tuple) else [found]
        return [self._message(item) for item in _as_messages(list(messages))]

    def _message(self, message: BaseMessage) -> BaseMessage:
        labels: list[Label] = []
        running = self._running
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        sent = carried(self._governor, message, artifact, recipient=recipient_of(running.permit.id))
        own = sent is None and self._is_result(message)

        def inspect(text: str, uninspected: tuple[str, ...] = ()) -> str:
            admitted = self._governor.admission.admit(
                text,
                running.binding.scope,
                kind=SourceKind.TOOL_RESULT if sent is None else SourceKind.AGENT_MESSAGE,
                name=running.binding.tool if sent is None else sent.sender,
                redact_pii=self._redact,
                parents=(running.event,),
                carried=None if sent is None else sent.label,
                results=self._results if own else None,
                uninspected=uninspected,
            )
            self.raw.append(text)
            labels.append(admitted.label)
            return admitted.text

        shown = with_text(message, inspect)
        shown, unread = self._with_artifact(shown, is_sealed=sent is not None)
        beside = (*uninspected_in(message), *unread)
        if beside or not labels:  # pictures, say: nobody read them, but they came from the tool
            inspect("", beside)
        label = join_all((*labels, *self._read))
        self.seen.append(label)
        fields = self._fields(message) if own else ()
        entry = sealed(self._governor, self._place, shown, label, fields)
        self.labels |= entry
        return riding(shown, entry) if self._ride else shown

    def _with_artifact(self, message: BaseMessage, *, is_sealed: bool) -> tuple[BaseMessage, tuple[str, ...]]:
        """Inspect what no model is shown, but programs read; data is cleaned, and anything else passes with a note."""
        artifact = message.artifact if isinstance(message, ToolMessage) else None
        if artifact is None or is_sealed:
            return message, ()
        try:
            plain = plain_artifact(artifact)
        except SanitizeError:
            return message, ("artifact",)
        running = self._running
        admitted = self._governor.admission.admit_value(
            plain,
            running.binding.scope,
            kind=SourceKind.TOOL_RESULT,
            name=running.binding.tool,
            redact_pii=self._redact,
            parents=(running.event,),
        )
        return (message.model_copy(update={"artifact": admitted.value}) if admitted.changed else message), ()

    def _is_result(self, message: BaseMessage) -> bool:
        """Whether a message is the tool's answer to this call, and not something else that it put into state."""
        return (
            isinstance(message, ToolMessage)
            and message.tool_call_id == self._reading.call_id
            and message.status != "error"
        )

    def _fields(self, message: BaseMessage) -> tuple[FieldValue, ...]:
        """Take out what policy says is the organisation's own, before anyone downstream could touch the result."""
        fields = fields_of(structure_of(message), self._results.fields) if self._results.fields else ()
        if self._running.record.named_by_user:
            fields += only_values(text_of(message), self._results.named_by_user)
        return fields


def _as_messages(found: list[Any]) -> list[BaseMessage]:
    try:
        return convert_to_messages(found)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise SanitizeError("a tool added something that is no message", got=type(error).__name__) from None
