"""Every reading of a text that detectors look at: as it is, folded, unhidden, decoded, respelt, and all of these again.

Invariant: each reading can be traced to a span of the raw text, no text is taken up twice, and together they are
bounded in depth, number and size. Where a bound is met, the readings are incomplete and say so.

A reading is made where a trigger saw a reason for it. Encodings that show their own syntax are decoded in one go;
spellings that change the whole text branch off, each by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.armour import ARMOUR
from aisecops_langchain.sanitize.clip import clip, clip_around
from aisecops_langchain.sanitize.fold import EMPHASIS, SPACES, fold_plain, has_letter_signs, is_emphasized, skeleton
from aisecops_langchain.sanitize.hidden import DISPLAYED, PARTED, SMUGGLED, SMUGGLED_ALONE
from aisecops_langchain.sanitize.joined import SQUEEZED_LETTERS, holds_rule_words
from aisecops_langchain.sanitize.markup import COMMENTED, UNSEEN, has_too_many_tags
from aisecops_langchain.sanitize.normalize import Normalized, is_smuggler, normalize
from aisecops_langchain.sanitize.parts import Part, Parts
from aisecops_langchain.sanitize.pattern_fold import marks_part_words
from aisecops_langchain.sanitize.respell import UNBROKEN
from aisecops_langchain.sanitize.spellings import DECODERS, ROTATED, SPELLINGS, Spelling
from aisecops_langchain.sanitize.steps import Extraction, Locate, Path, Step, same_span
from aisecops_langchain.sanitize.triggers import mixes_scripts
from aisecops_langchain.sanitize.view import Readings, View
from aisecops_langchain.sanitize.way import SKELETON, STRIP, Base, Way

_DEPTH: Final = 7
"""Steps from the raw text to a reading, at most."""
_COUNT: Final = 160
"""Readings of one text, at most; a long one may have one more for each so many characters."""
_COUNT_EVERY: Final = 400
_ALLOWANCE: Final = 300_000
"""Characters of readings that any text may have; beyond, so many times its own length."""
_TIMES: Final = 6
_MOST_REVERSALS: Final = 2
"""Changes of direction inside each other that are undone."""
_LONGEST_ODD: Final = 65_536
"""Characters of the longest text that may be odd as a whole."""
_SQUEEZED: Final = 10
"""A character of rule words that run into each other costs the budget so many times what others do, as it does in
time: these words alone tell little of where patterns may match."""
_ATTEMPT: Final = 6
"""A look for a reading costs the budget this fraction of what it looks at."""


_FOLD: Final = (EMPHASIS, SPACES)


class _Item(NamedTuple):
    """A text that is still to be read."""

    text: str
    span: Locate
    steps: tuple[str, ...] = ()
    hidden: bool = False
    squeezed: bool = False
    odd: bool = False
    """Whether it is so unusual that spellings are tried for which there is no trigger."""
    torn: bool = True
    """False where words may have been broken over lines, but nothing else was: then all else was read before."""
    depth: int = 0
    rank: int = 0
    """That of the spelling which was undone last; none since something was decoded."""

    @property
    def name(self) -> str:
        if self.hidden:
            return "hidden"
        return "decoded" if self.steps else "text"


def readings(text: Normalized) -> Readings:
    """Make the readings of a text.

    Args:
        text: The raw text, and what is passed on of it.

    Returns:
        The readings; the first is what is passed on.
    """
    reader = _Reader(len(text.raw))
    reader.read(text)
    return Readings(tuple(reader.views), reader.complete)


def read(text: str) -> tuple[View, ...]:
    """Make the readings of a raw text.

    Args:
        text: Any text.

    Returns:
        The readings, as far as the bounds allow.
    """
    return readings(normalize(text)).views


class _Reader:
    """Makes the readings of one text, the plainest first."""

    def __init__(self, length: int) -> None:
        self.views: list[View] = []
        self.complete = True
        self._budget = _ALLOWANCE + _TIMES * length
        self._count = _COUNT + length // _COUNT_EVERY
        self._queue: deque[_Item] = deque()
        self._seen: set[str] = set()

    def read(self, root: Normalized) -> None:
        """Make every reading within the bounds."""
        self._seen.add(root.raw)
        self._expand(_Item(root.raw, same_span), root)
        while self._queue:
            item = self._queue.popleft()
            self._expand(item, normalize(item.text))

    def _expand(self, item: _Item, shown: Normalized) -> None:
        raw = Base(item.text, item.span, item.steps)
        text = raw.then(shown.text, STRIP)
        plain = text.then(skeleton(text.text), SKELETON)
        emphasized = is_emphasized(plain.text)
        folds = emphasized or plain is not text
        if not folds:
            self._view(item, text.text, text.span, item.steps)
        elif not item.steps:
            parted = marks_part_words(plain.text) or has_letter_signs(text.text)
            self._view(item, text.text, text.span, (), folded_beside=not parted)
        if folds:
            folded, span = (fold_plain(plain.text), Way(plain, _FOLD).span) if emphasized else (plain.text, plain.span)
            self._view(item, folded, span, (*item.steps, EMPHASIS.name))
        if item.depth >= _DEPTH:
            return
        if text is not raw:
            self._unhide(item, raw)
        odd = item.odd or self._is_odd(item, raw, text, plain)
        if odd and len(plain.text) > _LONGEST_ODD:
            self._give_up()
            return
        parts = Parts(text, plain, squeezed=item.squeezed, torn=item.torn)
        self._decode(item, parts)
        for part in parts:
            if part.found or odd:
                self._respell(item, part, odd=odd)

    def _give_up(self) -> None:
        """Leave unread what needs more readings than the bounds allow, but for what is hidden in it."""
        self.complete = False
        self._queue = deque(item for item in self._queue if item.hidden)

    def _is_odd(self, item: _Item, raw: Base, text: Base, plain: Base) -> bool:
        """Tell whether a text is odd as a whole; where only parts of it are, these are read by themselves."""
        if SKELETON.name in item.steps:  # look-alikes were read before: what is left of other scripts is their own
            return False
        strange = text is not raw and is_smuggler(raw.text) and bool(text.text.strip())
        if not strange and (plain is text or not mixes_scripts(text.text)):
            return False
        part = clip_around(raw.text, lambda segment: is_smuggler(segment) or mixes_scripts(normalize(segment).text))
        if part is None or sum(end - start for start, end in part.kept) > _LONGEST_ODD:
            return True
        self._push(item, raw, (part,), part.apply(raw.text), item.steps, odd=True)
        return False

    def _unhide(self, item: _Item, raw: Base) -> None:
        self._follow(item, raw, (SMUGGLED_ALONE,), hidden=True)
        self._follow(item, raw, SMUGGLED, hidden=True)
        self._follow(item, raw, (PARTED,))
        if item.steps.count(DISPLAYED.name) < _MOST_REVERSALS:
            self._follow(item, raw, (DISPLAYED,))

    def _decode(self, item: _Item, parts: Parts) -> None:
        """Decode whatever shows its own syntax, markup first, since tags may stand inside of the others."""
        found, plain = parts.found, parts.plain
        if "markup" in found and has_too_many_tags(plain.text):
            self.complete, found = False, found - {"markup"}
        if "markup" in found:
            self._follow(item, plain, (UNSEEN,), hidden=True)
        if "comment" in found:
            self._follow(item, plain, (COMMENTED,), hidden=True)
        decoders = [(trigger, step) for trigger, chosen in DECODERS for step in chosen if trigger in found]
        if decoders:
            base = plain if "markup" in found else parts.that_fired({trigger for trigger, _ in decoders})
            self._follow(item, base, [step for _, step in decoders])
        for trigger, chosen in ARMOUR:
            if trigger in found:
                self._follow(item, parts.that_fired({trigger}), chosen)

    def _respell(self, item: _Item, part: Part, *, odd: bool) -> None:
        text, plain, found = part.text, part.plain, part.found
        for spelling in SPELLINGS:
            tried = not found.isdisjoint(spelling.triggers) or (odd and "odd" in spelling.triggers)
            tried = tried and spelling.never_after.isdisjoint(item.steps)
            if tried and spelling.rank >= item.rank and not (spelling.squeezed and item.squeezed):
                torn = spelling.steps is not UNBROKEN or "torn" in found
                base = next((part.near[trigger] for trigger in spelling.triggers & part.near.keys()), plain)
                self._follow(item, base, spelling.steps, spelling=spelling, torn=torn)
        if odd and plain is not text and item.rank < ROTATED.rank:
            self._follow(item, text, ROTATED.steps, spelling=ROTATED)

    def _follow(
        self,
        item: _Item,
        base: Base,
        steps: Sequence[Step],
        *,
        hidden: bool = False,
        spelling: Spelling | None = None,
        torn: bool = True,
    ) -> None:
        """Take steps from a text, and read what comes out."""
        hidden = hidden or item.hidden
        if not self.complete and not hidden:
            return
        if self._budget <= 0:
            self._give_up()
            return
        self._budget -= len(base.text) // _ATTEMPT
        path = Path(base.text, steps)
        if not path.taken or not path.text:
            return
        text, taken = path.text, path.taken
        part = None if isinstance(steps[-1], Extraction) else clip(base.text, text)
        names = _distinct((*base.steps, *(step.name for step in taken)))
        if part:
            text, taken = part.apply(text), (*taken, part)
        self._push(
            item, base, taken, text, names, hidden=hidden, spelling=spelling, odd=SQUEEZED_LETTERS in steps, torn=torn
        )

    def _push(
        self,
        item: _Item,
        base: Base,
        taken: Sequence[Step],
        text: str,
        names: tuple[str, ...],
        *,
        hidden: bool = False,
        spelling: Spelling | None = None,
        odd: bool = False,
        torn: bool = True,
    ) -> None:
        """Put a new text into the queue, if the bounds allow it."""
        if text in self._seen:
            return
        squeezed = item.squeezed or (spelling is not None and spelling.squeezed)
        cost = len(text) * (_SQUEEZED if squeezed and holds_rule_words(text) else 1)
        if len(self.views) + len(self._queue) >= self._count or cost > self._budget:
            self._give_up()
            return
        self._seen.add(text)
        self._budget -= cost
        child = _Item(
            text,
            Way(base, taken).span,
            names,
            hidden=hidden or item.hidden,
            squeezed=squeezed,
            odd=odd,
            torn=torn,
            depth=item.depth + 1,
            rank=spelling.rank if spelling else 0,
        )
        self._queue.append(child)

    def _view(
        self, item: _Item, text: str, span: Locate, steps: tuple[str, ...], *, folded_beside: bool = False
    ) -> None:
        if not item.steps or text.strip():
            name = "normalized" if steps and not item.steps else item.name
            self.views.append(View(name, text, span, steps, item.squeezed, folded_beside))


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Drop repeated neighbours that are parts of one step."""
    return tuple(name for index, name in enumerate(names) if index == 0 or names[index - 1] != name or name == "base64")
