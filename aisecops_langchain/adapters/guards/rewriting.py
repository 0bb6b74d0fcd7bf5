"""Every text in whatever a chain hands on: strings, messages, prompts, documents, objects, and lists and dicts of them.

Invariant: each text, keys included, goes through one function; what cannot be looked into is refused, never passed on
unseen, and nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from pydantic import BaseModel, ValidationError

from aisecops_langchain.adapters.translate.words import KINDS, with_text
from aisecops_langchain.domain.labels import SourceKind
from aisecops_langchain.errors import SanitizeError

Change = Callable[[str, SourceKind], str]
"""What becomes of one text that came through a door."""

_MAX_DEPTH: Final = 64
_PLAIN: Final = (bool, int, float, type(None), date, datetime, time, timedelta, Decimal, UUID)

CALLS: Final = frozenset({"tool_calls", "function_call"})
"""Raw calls among a message's extras: proposals, which the gate decides on, and no words."""


def rewritten(value: Any, change: Change, door: SourceKind, depth: int = 0) -> Any:
    """Derive a value whose every text went through a function.

    Args:
        value: What a chain hands on.
        change: What becomes of each text.
        door: The door of texts that no message gives another one.
        depth: How deep the value is nested in another.

    Returns:
        The same, with changed texts.

    Raises:
        SanitizeError: If something in it cannot be looked into, or is nested too deeply.
    """
    return _Rewriting(change, door).of(value, depth)


class _Rewriting:
    """Walks one value.

    Args:
        change: What becomes of each text.
        door: The door of texts that no message gives another one.
    """

    def __init__(self, change: Change, door: SourceKind) -> None:
        self._change = change
        self._door = door
        self._ways: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], Any]], ...] = (
            (Enum, self._enum),
            (str, lambda text, _depth: change(text, door)),
            (BaseMessage, lambda message, _depth: self._message(message)),
            (PromptValue, lambda prompt, _depth: self._prompt(prompt)),
            (Document, self._document),
            (Mapping, self._mapping),
            ((list, tuple), self._sequence),
            (BaseModel, self._model),
            (_PLAIN, lambda plain, _depth: plain),
        )

    def of(self, value: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise SanitizeError("a value is nested too deeply to be inspected", expected=f"at most {_MAX_DEPTH} levels")
        for kinds, way in self._ways:
            if isinstance(value, kinds):
                return way(value, depth)
        raise _unreadable(value)

    def _enum(self, value: Enum, _depth: int) -> Enum:
        """Members of an enumeration are named in code, so nothing in them can be changed; only a text is looked at."""
        if isinstance(value.value, str) and self._change(value.value, self._door) != value.value:
            raise _unreadable(value)
        return value

    def _message(self, message: BaseMessage) -> BaseMessage:
        door = KINDS.get(message.type, SourceKind.AGENT_MESSAGE)
        shown = with_text(message, lambda text: self._change(text, door))
        extras = message.additional_kwargs
        words = {name: item for name, item in extras.items() if name not in CALLS}
        cleaned = rewritten(words, self._change, door)
        if cleaned == words:
            return shown
        calls = {name: item for name, item in extras.items() if name in CALLS}
        return shown.model_copy(update={"additional_kwargs": {**calls, **cleaned}})

    def _prompt(self, prompt: PromptValue) -> PromptValue:
        if isinstance(prompt, StringPromptValue):
            return StringPromptValue(text=self._change(prompt.text, self._door))
        return ChatPromptValue(messages=[self._message(message) for message in prompt.to_messages()])

    def _document(self, document: Document, depth: int) -> Document:
        return Document(
            id=None if document.id is None else self._change(document.id, self._door),
            page_content=self._change(document.page_content, self._door),
            metadata=self._mapping(document.metadata, depth),
        )

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        made = {
            self._change(key, self._door) if isinstance(key, str) else key: self.of(item, depth + 1)
            for key, item in value.items()
        }
        if len(made) != len(value):
            raise SanitizeError("two keys of one object read the same once they are clean", expected="distinct keys")
        return made

    def _sequence(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        items = [self.of(item, depth + 1) for item in value]
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)

    def _model(self, value: BaseModel, depth: int) -> BaseModel:
        before = value.model_dump()
        after = self.of(before, depth + 1)
        if after == before:
            return value
        try:
            return type(value).model_validate(after)
        except ValidationError as error:
            raise SanitizeError(
                "an object cannot be cleaned: what would be left does not fit its schema",
                expected=type(value).__name__,
                got=f"{error.error_count()} errors",
            ) from None


def _unreadable(value: object) -> SanitizeError:
    return SanitizeError(
        "something cannot be inspected",
        expected="text, messages, documents, models, and lists and dicts of them",
        got=type(value).__name__,
        remedy="turn it into text before the guard, or move the guard",
    )
