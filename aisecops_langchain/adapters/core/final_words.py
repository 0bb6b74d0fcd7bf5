"""What a run gives out at its end: the last words, what stands beside them in the message, and an object beside both.

Invariant: all three follow every action of the channel ``output``. Where words are withheld, nothing of their message
is left, and no object goes out beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from aisecops_langchain.adapters.core.context import opened_label
from aisecops_langchain.adapters.core.place import Place
from aisecops_langchain.adapters.state import CHANNEL
from aisecops_langchain.adapters.translate.words import text_of, uninspected_in
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.labels import UNLABELLED, Label
from aisecops_langchain.runtime.content.outcomes import Admitted, AdmittedValue
from aisecops_langchain.runtime.governor import Governor

_CALLS: Final = frozenset({"tool_calls", "function_call"})
"""Raw calls among a message's extras: proposals, which the gate decides on, and no words."""


@dataclass(frozen=True, slots=True)
class GivenOut:
    """What a run gives out."""

    message: BaseMessage | None = None
    """Stands for the last message; ``None`` where that may be given out as it is."""
    beside: object = None
    """The object beside it, as far as it may be given out."""
    blocked: bool = False
    label: Label = UNLABELLED


def give_out(governor: Governor, place: Place, beside: object = None) -> GivenOut:
    """Inspect what a run gives out, and record what becomes of it.

    Args:
        governor: Inspects and records.
        place: Where the run ends; its last message holds the words.
        beside: An object that is given out, too, such as a structured response.

    Returns:
        What may be given out. An object of which what is left does not fit its own type is withheld whole.

    Raises:
        SanitizeError: If something could not be inspected.
        QuarantineError: If something was withheld, and could not be kept.
        AuditWriteError: If that could not be recorded.
    """
    final = place.messages[-1] if place.messages else None
    words = final if isinstance(final, AIMessage | ToolMessage) else None
    if words is None and beside is None:
        return GivenOut()
    speaker = words or next((item for item in reversed(place.messages) if isinstance(item, AIMessage)), None)
    label = (opened_label(governor, place, speaker) if speaker is not None else None) or UNLABELLED
    return _Release(governor, place, label).of(words, beside)


class _Release:
    """Lets the last words of one run out.

    Args:
        governor: Inspects and records.
        place: Where the run ends.
        label: What the words may depend on.
    """

    def __init__(self, governor: Governor, place: Place, label: Label) -> None:
        self._governor = governor
        self._place = place
        self._label = label

    def of(self, words: AIMessage | ToolMessage | None, beside: object) -> GivenOut:
        spoken = self._text(words) if words is not None else None
        extras = _extras(words)
        aside = self._value(extras, dict) if extras else None
        thing = None if beside is None else self._value(to_jsonable_python(beside, fallback=str), type(beside))
        blocked = any(item is not None and item.blocked for item in (spoken, aside, thing))
        notice = next((_notice(item) for item in (spoken, aside, thing) if item is not None and item.withheld), None)
        if notice is not None:
            return GivenOut(_withheld(words, notice), None, blocked, self._label)
        if thing is not None and thing.changed:
            beside = TypeAdapter(type(beside)).validate_python(thing.value)
        return GivenOut(_changed(words, spoken, aside), beside, label=self._label)

    def _text(self, words: BaseMessage) -> Admitted | None:
        text, uninspected = text_of(words), uninspected_in(words)
        if not text and not uninspected:
            return None
        return self._governor.delivery.release(
            text, self._place.scope, name=self._speaker(), label=self._label, uninspected=uninspected
        )

    def _value(self, value: JsonValue, made: type[Any]) -> AdmittedValue:
        return self._governor.delivery.release_value(
            value, self._place.scope, name=self._speaker(), label=self._label, fits=lambda clean: _fits(made, clean)
        )

    def _speaker(self) -> str:
        return self._place.scope.principal.agent


def _extras(words: BaseMessage | None) -> dict[str, JsonValue]:
    """Return what stands beside the content of a message, such as what a model thought, but for calls and labels."""
    extras: Mapping[str, Any] = {} if words is None else words.additional_kwargs
    plain: dict[str, JsonValue] = to_jsonable_python(
        {name: item for name, item in extras.items() if name not in _CALLS and name != CHANNEL}, fallback=str
    )
    return plain


def _fits(made: type[Any], clean: JsonValue) -> bool:
    try:
        TypeAdapter(made).validate_python(clean)
    except ValidationError:
        return False
    return True


def _notice(item: Admitted | AdmittedValue) -> str:
    return item.text if isinstance(item, Admitted) else str(item.value)


def _withheld(words: AIMessage | ToolMessage | None, notice: str) -> BaseMessage:
    """Make the message that stands for a withheld one: nothing but its place in the conversation is left of it."""
    if isinstance(words, ToolMessage):
        return ToolMessage(notice, id=words.id, name=words.name, tool_call_id=words.tool_call_id, status=words.status)
    if words is None:
        return AIMessage(notice)
    return AIMessage(notice, id=words.id, name=words.name, usage_metadata=words.usage_metadata)


def _changed(
    words: AIMessage | ToolMessage | None, spoken: Admitted | None, aside: AdmittedValue | None
) -> BaseMessage | None:
    update: dict[str, Any] = {}
    if spoken is not None and spoken.changed:
        update["content"] = spoken.text
    if words is not None and aside is not None and aside.changed and isinstance(aside.value, dict):
        kept = {name: item for name, item in words.additional_kwargs.items() if name in _CALLS or name == CHANNEL}
        update["additional_kwargs"] = {**kept, **aside.value}
    return words.model_copy(update=update) if words is not None and update else None
