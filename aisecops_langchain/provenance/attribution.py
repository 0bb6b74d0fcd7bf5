"""Where each argument of a proposed call came from.

Invariant: attribution is positive only. An argument is traced to trusted content when every value in it is found
there: word for word, in another usual spelling, or as the value of a first-party field. Otherwise it takes the
context's label. This is a conservative heuristic, not a taint proof: it says that trusted content holds the value, not
that the model took it from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.labels import Label, join_all
from aisecops_langchain.domain.plan import ArgumentProvenance, Method
from aisecops_langchain.provenance.fields import scalar_text
from aisecops_langchain.provenance.index import ContentIndex, Found, LabelledText

_MAX_LEAVES: Final = 500
"""An argument of more values is not looked at: nobody asked for each of them."""

_SEPARATORS: Final = re.compile(r" *[,;|\n]\s*")
_SHORTEST_PIECE: Final = 3


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
    return attribute_in(arguments, ContentIndex(contents, context))


def attribute_in(
    arguments: Mapping[str, JsonValue], index: ContentIndex, *, documented: frozenset[str] = frozenset()
) -> tuple[ArgumentProvenance, ...]:
    """Attribute every top-level argument of a call against content that was arranged before.

    Args:
        arguments: The canonical arguments.
        index: What the model saw.
        documented: Names that the tool's own definition gives to keys and constants; inside an object they are its
            form, and nobody needs to have said them.

    Returns:
        One entry per argument, in the order of the arguments.
    """
    return tuple(_attribute_one(name, value, index, documented) for name, value in arguments.items())


def _attribute_one(name: str, value: JsonValue, index: ContentIndex, documented: frozenset[str]) -> ArgumentProvenance:
    found: list[Found] = []
    for count, leaf in enumerate(_leaves(value, documented)):
        where = None if leaf is None or count >= _MAX_LEAVES else index.find(leaf) or _joined(leaf, index)
        if where is None:
            return _not_found(name, leaf, index)
        found.append(where)
    if not found:  # nothing in it that could be looked for, such as an empty list
        return ArgumentProvenance(argument=name, label=index.context, method=Method.CONTEXT.value)
    method, label = found[0] if len(found) == 1 else _together(found)
    return ArgumentProvenance(argument=name, label=label, method=method.value, sources=label.sources)


def _together(found: Sequence[Found]) -> Found:
    methods = {item.method for item in found}
    return Found(methods.pop() if len(methods) == 1 else Method.JOINED, join_all(item.label for item in found))


def _joined(leaf: str, index: ContentIndex) -> Found | None:
    """Find a text whose pieces, with nothing but separators between them, were each found."""
    if not ("," in leaf or ";" in leaf or "|" in leaf or "\n" in leaf):
        return None
    pieces = _SEPARATORS.split(leaf)
    if not 1 < len(pieces) <= _MAX_LEAVES or any(len(piece) < _SHORTEST_PIECE for piece in pieces):
        return None
    labels: list[Label] = []
    for piece in pieces:
        where = index.find(piece)
        if where is None:
            return None
        labels.append(where.label)
    return Found(Method.JOINED, join_all(labels))


def _not_found(name: str, leaf: str | None, index: ContentIndex) -> ArgumentProvenance:
    """Give an argument the context's label, and name the untrusted content that holds the value in question."""
    sources = index.untrusted_sources(leaf) if leaf is not None else frozenset()
    method = Method.UNTRUSTED if sources else Method.CONTEXT
    return ArgumentProvenance(argument=name, label=index.context, method=method.value, sources=sources)


def _leaves(value: JsonValue, documented: frozenset[str]) -> Iterator[str | None]:
    """Yield what must be found for a value to be trusted; ``None`` for what cannot be looked for."""
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in documented:
                yield key
            if not (isinstance(item, str) and item in documented):
                yield from _leaves(item, documented)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, documented)
    else:
        yield scalar_text(value)
