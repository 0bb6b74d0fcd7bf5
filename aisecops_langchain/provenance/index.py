"""What the model saw, arranged once so that many values can be looked for in it cheaply.

Invariant: values are found only in content of the user's or the system's trust, in declared first-party fields, and in
results that policy declares first-party as a whole; what is found takes the trust of the place and no more. Untrusted
content is kept beside them only to name where a value that was found nowhere else stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from aisecops_langchain.domain.labels import Integrity, Label, Source
from aisecops_langchain.domain.plan import Method
from aisecops_langchain.provenance.matching import is_lookalike, stands_in
from aisecops_langchain.provenance.spelling import NOTHING, Spellings, meaning_of, spellings_of

_LONGEST_VALUE: Final = 2000
"""Longer values are never looked for: nobody dictates them word by word, and the search must stay cheap."""

_SHORTEST_NAMED: Final = 3
"""Shorter values stand somewhere in most documents, so that it says nothing to name one."""

_REMEMBERED_TEXT: Final = 20_000
_TRUSTED: Final = frozenset({Integrity.USER, Integrity.SYSTEM})


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A piece of the model's context with its label."""

    text: str
    label: Label
    fields: frozenset[str] = frozenset()
    """First-party values in it, where it is a tool's result and policy declares some."""


class Found(NamedTuple):
    """Where a value was found."""

    method: Method
    label: Label


class _Untrusted:
    """Untrusted texts laid end to end, so that one search goes through all of them.

    Args:
        contents: The pieces.
    """

    def __init__(self, contents: Sequence[LabelledText]) -> None:
        self._contents = contents
        self._texts = [_folded(item.text) for item in contents]
        self._all = "\n".join(self._texts)

    def sources(self, wanted: str) -> frozenset[Source]:
        """Name the sources of the texts that hold a value."""
        if not all(character in self._all for character in frozenset(wanted)):  # far cheaper than to look for it
            return frozenset()
        if wanted not in self._all:
            return frozenset()
        holding = [item.label for item, text in zip(self._contents, self._texts, strict=True) if wanted in text]
        return frozenset().union(*[label.sources for label in holding])


class ContentIndex:
    """Everything that the model saw, ready to be searched.

    Args:
        contents: The pieces with their labels.
        context: Join of the labels of all of them.
        today: Today's date from configuration; without it, dates without a year are not resolved.
    """

    def __init__(self, contents: Iterable[LabelledText], context: Label, *, today: date | None = None) -> None:
        self.context = context
        self._today = today
        self._trusted: list[tuple[str, Label]] = []
        self._first_party: list[tuple[str, Label]] = []
        self._untrusted: list[LabelledText] = []
        self._fields: list[tuple[frozenset[str], Label]] = []
        for item in contents:
            if item.label.integrity in _TRUSTED:
                self._trusted.append((_folded(item.text), item.label))
                continue
            if item.label.integrity is Integrity.FIRST_PARTY:
                self._first_party.append((_folded(item.text), item.label))
            else:
                self._untrusted.append(item)
            if item.fields:
                self._fields.append((item.fields, item.label))

    def find(self, value: str) -> Found | None:
        """Look for one value.

        Args:
            value: The value as text.

        Returns:
            Where it stands in trusted content, or ``None``.
        """
        if len(value) > _LONGEST_VALUE or not any(map(str.isalnum, value)):
            return None
        if not value.isascii() and is_lookalike(value):
            return None
        leaf = value.casefold()
        return (
            self._find_said(leaf, self._trusted)
            or self._find_field(value, leaf)
            or self._find_said(leaf, self._first_party)
        )

    def _find_said(self, leaf: str, texts: Sequence[tuple[str, Label]]) -> Found | None:
        """Look in texts: word for word, then in another usual spelling."""
        for text, label in texts:
            if stands_in(leaf, text):
                return Found(Method.VERBATIM, label)
        meaning = meaning_of(leaf) if texts else NOTHING
        if meaning is not NOTHING:
            for text, label in texts:
                if _spelled(text).say(meaning, self._today):
                    return Found(Method.SPELLED, label)
        return None

    def _find_field(self, value: str, leaf: str) -> Found | None:
        """Look among first-party fields: the very value, or an address or account in another case."""
        other = leaf if "@" in value or len(value) >= 12 else value
        for values, label in self._fields:
            if value in values or other in values:
                return Found(Method.FIELD, label.model_copy(update={"integrity": Integrity.FIRST_PARTY}))
        return None

    def untrusted_sources(self, value: str) -> frozenset[Source]:
        """Name the untrusted content in which a value stands.

        Args:
            value: A value that was not found in trusted content.

        Returns:
            The sources; only a hint for whoever reads the record, nothing depends on it.
        """
        if not _SHORTEST_NAMED <= len(value) <= _LONGEST_VALUE:
            return frozenset()
        return self._laid_out.sources(value.casefold())

    @cached_property
    def _laid_out(self) -> _Untrusted:
        """Made when the first value is found nowhere else."""
        return _Untrusted(self._untrusted)


def _folded(text: str) -> str:
    return _remembered_folded(text) if len(text) <= _REMEMBERED_TEXT else text.casefold()


@lru_cache(maxsize=512)
def _remembered_folded(text: str) -> str:
    return text.casefold()


def _spelled(text: str) -> Spellings:
    return _remembered_spellings(text) if len(text) <= _REMEMBERED_TEXT else Spellings()


@lru_cache(maxsize=256)
def _remembered_spellings(text: str) -> Spellings:
    return spellings_of(text)
