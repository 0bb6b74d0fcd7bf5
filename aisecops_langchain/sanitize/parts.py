"""The parts of a text, what gives reason to read each of them in another way, and near where.

Invariant: together the parts are the text, and neighbours share some of it. A long text is read again only where there
is a reason to, so that few encoded or respelt words in it cost little, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.armour import ARMOUR_SIGNS
from aisecops_langchain.sanitize.clip import Clip, chunks, clip_near, merged
from aisecops_langchain.sanitize.fold import skeleton
from aisecops_langchain.sanitize.rule_words import broken_words, leet_words
from aisecops_langchain.sanitize.steps import Span
from aisecops_langchain.sanitize.triggers import SPELT, torn_lines, triggered
from aisecops_langchain.sanitize.way import SKELETON, Base, Way

_SIZE: Final = 16_384
"""Characters of a part, at most."""
_OVERLAP: Final = 512
_MOST: Final = 0.75
"""If more than this share of the parts is read again, all of them are, since parts take memory."""
_NEAR: Final = 500
"""Characters on either side of a hidden word that are read with it."""

_WITHIN_LINES: Final = frozenset(
    {"markup", "comment", "escapes", "quoted", "codes", "token", "spaced", "joined", *ARMOUR_SIGNS}
)
"""Triggers that have nothing to say of lines that were joined, unless what is joined there was torn apart."""
_RESPELT: Final = SPELT | {"rot47"}
"""Triggers beside which all line breaks are taken out: what a line ends with may be no word yet."""


class Part(NamedTuple):
    """A part of a text, and what gives reason to read it otherwise."""

    text: Base
    plain: Base
    """The same in the detection alphabet."""
    found: frozenset[str]
    """Triggers."""
    near: Mapping[str, Base]
    """For some triggers, what stands near to what made them fire."""


class _Reasons(NamedTuple):
    """What is kept of a part, which is much less than the part."""

    where: Clip
    found: frozenset[str]
    places: Mapping[str, Sequence[Span]]
    """For some triggers, where they fired."""


class Parts:
    """All parts of a text: of one that is not long, the text itself.

    Args:
        text: The text.
        plain: The same in the detection alphabet.
        squeezed: Whether the spaces between its words are lost.
        torn: False where lines were joined that nothing but words may have been broken over.
    """

    def __init__(self, text: Base, plain: Base, *, squeezed: bool, torn: bool) -> None:
        self.plain = plain
        """The text in the detection alphabet."""
        self._text = text
        self._is_one = len(plain.text) <= _SIZE
        whole = Clip(((0, len(text.text)),))
        parts = [whole] if self._is_one else chunks(text.text, _SIZE, _OVERLAP)
        self._parts = [_reasons(*self._piece(part), part, squeezed=squeezed, torn=torn) for part in parts]
        self.found: frozenset[str] = frozenset().union(*(part.found for part in self._parts))
        """Triggers that fired anywhere."""

    def __iter__(self) -> Iterator[Part]:
        """Yield the parts in order."""
        for part in self._parts:
            text, plain = self._piece(part.where)
            near = {trigger: _near(plain, spans) for trigger, spans in part.places.items()}
            yield Part(text, plain, part.found, near)

    def that_fired(self, triggers: Set[str]) -> Base:
        """Join the parts that give one of some reasons.

        Args:
            triggers: The reasons.

        Returns:
            These parts in the detection alphabet, neighbours as one; all of the text, if most parts do.
        """
        fired = [part.where.kept[0] for part in self._parts if not part.found.isdisjoint(triggers)]
        if len(fired) > len(self._parts) * _MOST:
            return self.plain
        return self._piece(Clip(tuple(merged(fired))))[1]

    def _piece(self, part: Clip) -> tuple[Base, Base]:
        """Return a part, and the same in the detection alphabet."""
        if self._is_one:
            return self._text, self.plain
        text = _clipped(self._text, part)
        return text, text.then(skeleton(text.text), SKELETON)


def _reasons(text: Base, plain: Base, where: Clip, *, squeezed: bool, torn: bool) -> _Reasons:
    """Name the triggers that fire, but for those that look-alikes or line breaks alone made fire."""
    found = triggered(plain.text)
    if plain is not text and not found.isdisjoint(SPELT):
        found -= SPELT - triggered(text.text)
    places = _places(plain.text, found, squeezed=squeezed)
    found -= {trigger for trigger, spans in places.items() if not spans}
    return _Reasons(where, found if torn else found - _WITHIN_LINES, places)


def _places(text: str, found: frozenset[str], *, squeezed: bool) -> dict[str, list[Span]]:
    """Say where a word that a rule looks for is hidden in the ways that fired; nowhere, if no such word is."""
    places: dict[str, list[Span]] = {}
    if "leet" in found and not squeezed:
        places["leet"] = _spans_of(leet_words(text), text)
    if "broken" in found and (found - places.keys()).isdisjoint(_RESPELT) and not places.get("leet"):
        torn = torn_lines(text) if "torn" in found else ()
        places["broken"] = sorted((*torn, *((end, end + 1) for end in broken_words(text))))
    return places


def _spans_of(words: Sequence[str], text: str) -> list[Span]:
    """Say where words stand; all of the text, where tags part one of them."""
    if not words:
        return []
    if not all(word in text for word in words):
        return [(0, len(text))]
    return [match.span() for match in re.finditer("|".join(map(re.escape, words)), text)]


def _near(base: Base, spans: Sequence[Span]) -> Base:
    part = clip_near(base.text, spans, _NEAR)
    return _clipped(base, part) if part else base


def _clipped(base: Base, part: Clip) -> Base:
    return Base(part.apply(base.text), Way(base, (part,)).span, base.steps)
