"""JSON texts of frozen values, made once for as long as the very same object is written again and again.

Invariant: a text is given only for the object that it was made from; an equal one, or a changed copy, gets its own.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

_KEPT: Final = 512
_LONGEST_KEPT: Final = 8192
"""Bytes; a longer text is made anew each time, so that what is kept stays small."""


class FrozenTexts:
    """Serialises frozen domain data; the same scope, label or permit stands in one record after the other."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[BaseModel, bytes]] = {}

    def of(self, part: BaseModel) -> bytes:
        """Return the JSON text of a frozen value.

        Args:
            part: The value; it must never change.

        Returns:
            Its JSON.

        Raises:
            PydanticSerializationError: If it has none.
        """
        known = self._kept.get(id(part))  # an id is given to no other object while this one is kept
        if known is not None:
            return known[1]
        text = part.__pydantic_serializer__.to_json(part)
        if len(text) <= _LONGEST_KEPT:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[id(part)] = (part, text)
        return text
