"""Where each argument of a proposed call came from.

Invariant: attribution is positive only. An argument is traced to trusted content when every value in it stands there
verbatim, as whole words; otherwise it takes the context's label. This is a conservative heuristic, not a taint proof:
it says that trusted words contain the value, not that the model took it from there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.labels import Integrity, Label
from aisecops_langchain.domain.plan import ArgumentProvenance

_TRUSTED_FROM = Integrity.USER.rank
_SIGNS: Final = "-\u2212+."
_BETWEEN_DIGITS: Final = ",:'\u2019\u00a0\u202f"
_JOINERS: Final = "./\\@-'\u2019"
"""What joins words into names, paths and addresses, so that a part of one does not stand for the whole."""

_LONGEST_VALUE = 2000
"""Longer values are never looked for: nobody dictates them word by word, and the search must stay cheap."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A piece of the model's context with its label."""

    text: str
    label: Label


def attribute(
    arguments: Mapping[str, JsonValue], contents: Sequence[LabelledText], context: Label
) -> tuple[ArgumentProvenance, ...]:
    """Attribute every top-level argument of a call.

    Args:
        arguments: The canonical arguments.
        contents: Everything that the model saw.
        context: Join of the labels of all of it.

    Returns:
        One entry per argument, in the order of the arguments.
    """
    trusted = [(item.text.casefold(), item.label) for item in contents if item.label.integrity.rank >= _TRUSTED_FROM]
    return tuple(_attribute_one(name, value, trusted, context) for name, value in arguments.items())


def _attribute_one(
    name: str, value: JsonValue, trusted: Sequence[tuple[str, Label]], context: Label
) -> ArgumentProvenance:
    found: Label | None = None
    for leaf in _leaves(value):
        label = _find(leaf, trusted)
        if label is None:
            return ArgumentProvenance(argument=name, label=context, method="context")
        found = label if found is None else found.join(label)
    if found is None:  # nothing in it that could be looked for, such as an empty list
        return ArgumentProvenance(argument=name, label=context, method="context")
    return ArgumentProvenance(argument=name, label=found, method="verbatim")


def _leaves(value: JsonValue) -> Iterator[str | None]:
    """Yield what must be found for a value to be trusted; ``None`` for what cannot be looked for."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, bool) or value is None:
        yield None
    elif isinstance(value, float) and value.is_integer():
        yield str(int(value))
    else:
        yield str(value).strip().casefold()


def _find(leaf: str | None, trusted: Iterable[tuple[str, Label]]) -> Label | None:
    if not leaf or len(leaf) > _LONGEST_VALUE or not any(map(str.isalnum, leaf)):
        return None
    return next((label for text, label in trusted if _stands_in(leaf, text)), None)


def _stands_in(leaf: str, text: str) -> bool:
    """Whether the leaf stands in the text as whole words, so that 5 is not found in 500 or in 5.20."""
    start = text.find(leaf)
    while start >= 0:
        end = start + len(leaf) - 1
        if not (_continues(text, start, -1) or _continues(text, end, 1)):
            return True
        start = text.find(leaf, start + 1)
    return False


def _continues(text: str, edge: int, step: int) -> bool:
    """Whether the word, number, name, path or address at ``edge`` goes on in the direction of ``step``."""
    near, far = edge + step, edge + 2 * step
    if not 0 <= near < len(text):
        return False
    neighbour, beyond = text[near], text[far] if 0 <= far < len(text) else ""
    if _is_word(neighbour) or unicodedata.combining(neighbour):
        return _is_word(text[edge]) or bool(unicodedata.combining(neighbour))
    if text[edge].isdigit():
        if step < 0 and neighbour in _SIGNS:
            return True
        if neighbour in _BETWEEN_DIGITS and beyond.isdigit():
            return True
    return neighbour in _JOINERS and bool(beyond) and _is_word(beyond)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
