"""Every reading of a text that detectors look at: as it is, folded, unhidden, decoded, respelt, and all of these again.

Invariant: each reading can be traced to a span of the raw text, no reading is made twice, and together they are bounded
in depth, number and size. Where a bound is met, the readings are incomplete and say so.

A reading is made where a trigger saw a reason for it. Encodings that show their own syntax are decoded in one go;
spellings that change the whole text branch off, each by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.clip import clip, clip_around
from aisecops_langchain.sanitize.decode import BINARY_CODES, DECIMAL_CODES, ESCAPES, HEX_CODES, QUOTED_PRINTABLE, TOKENS
from aisecops_langchain.sanitize.fold import EMPHASIS, SPACES, fold, is_emphasized, skeleton, skeleton_trace
from aisecops_langchain.sanitize.hidden import DISPLAYED, SMUGGLED, SMUGGLED_ALONE
from aisecops_langchain.sanitize.markup import COMMENTED, SHOWN, UNSEEN, has_too_many_tags
from aisecops_langchain.sanitize.normalize import Normalized, is_smuggler, normalize
from aisecops_langchain.sanitize.respell import LEETSPEAK, LEETSPEAK_L, REVERSED, ROT13, SQUEEZED_LETTERS, SQUEEZED_WORDS, UNBROKEN, UNJOINED, UNSPACED
from aisecops_langchain.sanitize.steps import Extraction, Locate, Path, Span, Step, same_span
from aisecops_langchain.sanitize.triggers import mixes_scripts, triggered

_DEPTH: Final = 7
"""Steps from the raw text to a reading, at most."""
_COUNT: Final = 160
"""Readings of one text, at most."""
_ALLOWANCE: Final = 500_000
"""Characters of readings that any text may have; beyond, so many times its own length."""
_TIMES: Final = 3
_ATTEMPT: Final = 16
"""A look for a reading costs the budget this fraction of what it looks at."""


class View(NamedTuple):
    """One reading of a raw text."""

    name: str
    """``text``, ``normalized`` (folded), ``hidden`` (not seen by readers) or ``decoded``."""
    text: str
    span: Locate
    """From a non-empty span of ``text`` to one of the raw text."""
    steps: tuple[str, ...] = ()
    """How it was made, step by step."""
    squeezed: bool = False
    """Whether the spaces between words are lost."""


class Readings(NamedTuple):
    """The readings of one text."""

    views: tuple[View, ...]
    complete: bool
    """False if there were more than the bounds allow."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """Takes invisible characters out."""

    name: str = "stripped"

    def apply(self, text: str) -> str:
        return normalize(text).text

    def trace(self, text: str) -> Locate:
        return normalize(text).span


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """Writes a text in the detection alphabet."""

    name: str = "look-alikes"

    def apply(self, text: str) -> str:
        return skeleton(text)

    def trace(self, text: str) -> Locate:
        return skeleton_trace(text)


_STRIP: Final = _Strip()
_SKELETON: Final = _Skeleton()
_PLAIN: Final = (_STRIP, _SKELETON)
_FOLD: Final = (*_PLAIN, EMPHASIS, SPACES)


class _Item(NamedTuple):
    """A text that is still to be read."""

    text: str
    span: Locate
    steps: tuple[str, ...] = ()
    hidden: bool = False
    squeezed: bool = False
    odd: bool = False
    """Whether it is so unusual that spellings are tried for which there is no trigger."""
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
    reader = _Reader(_ALLOWANCE + _TIMES * len(text.raw))
    reader.read(text)
    return Readings(tuple(reader.views), reader.complete)


class _Reader:
    """Makes the readings of one text, the plainest first."""

    def __init__(self, budget: int) -> None:
        self.views: list[View] = []
        self.complete = True
        self._budget = budget
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
        text = shown.text
        plain = skeleton(text)
        self._view(item, text, (_STRIP,) if text is not item.text else ())
        if plain is not text or is_emphasized(plain):
            self._view(item, fold(plain), _FOLD)
        if item.depth >= _DEPTH:
            return
        if text is not item.text:
            self._unhide(item)
        odd = item.odd or self._is_odd(item, text, plain)
        found = triggered(plain)
        if found or odd:
            self._decode(item, plain, found)
            self._respell(item, text, plain, found, odd=odd)

    def _is_odd(self, item: _Item, text: str, plain: str) -> bool:
        """Tell whether a text is odd as a whole; where only parts of it are, these are read by themselves."""
        strange = text is not item.text and is_smuggler(item.text) and bool(text.strip())
        if not strange and (plain is text or not mixes_scripts(text)):
            return False
        part = clip_around(item.text, lambda segment: is_smuggler(segment) or mixes_scripts(normalize(segment).text))
        if part is None:
            return True
        self._push(item, part.apply(item.text), (part,), item.steps, odd=True)
        return False

    def _unhide(self, item: _Item) -> None:
        self._follow(item, item.text, (), (SMUGGLED_ALONE,), hidden=True)
        self._follow(item, item.text, (), (SMUGGLED,), hidden=True)
        self._follow(item, item.text, (), (DISPLAYED,))

    def _decode(self, item: _Item, plain: str, found: frozenset[str]) -> None:
        """Decode whatever shows its own syntax, markup first, since tags may stand inside of the others."""
        if "markup" in found and has_too_many_tags(plain):
            self.complete, found = False, found - {"markup"}
        if "markup" in found:
            self._follow(item, plain, _PLAIN, (UNSEEN,), hidden=True)
        if "comment" in found:
            self._follow(item, plain, _PLAIN, (COMMENTED,), hidden=True)
        steps = [step for trigger, chosen in _DECODERS for step in chosen if trigger in found]
        if steps:
            self._follow(item, plain, _PLAIN, steps)

    def _respell(self, item: _Item, shown: str, plain: str, found: frozenset[str], *, odd: bool) -> None:
        for spelling in _SPELLINGS:
            tried = not found.isdisjoint(spelling.triggers) or (odd and "odd" in spelling.triggers)
            if tried and spelling.rank >= item.rank and not (spelling.squeezed and item.squeezed):
                self._follow(item, plain, _PLAIN, spelling.steps, spelling=spelling)
        if odd and plain is not shown and item.rank < _ROTATED.rank:
            self._follow(item, shown, (_STRIP,), _ROTATED.steps, spelling=_ROTATED)

    def _follow(
        self,
        item: _Item,
        source: str,
        before: Sequence[Step],
        steps: Sequence[Step],
        *,
        hidden: bool = False,
        spelling: _Spelling | None = None,
    ) -> None:
        """Take steps from a text that the steps before led to, and read what comes out."""
        path = Path(source, steps)
        text = path.text
        self._budget -= len(source) // _ATTEMPT
        if not path.names or not text:
            return
        cut = None if isinstance(steps[-1], Extraction) else clip(source, text)
        taken: list[Step] = [*before, *steps]
        if cut:
            text = cut.apply(text)
            taken.append(cut)
        names = _distinct((*item.steps, *Path(item.text, before).names, *path.names))
        self._push(item, text, taken, names, hidden=hidden, spelling=spelling, odd=SQUEEZED_LETTERS in steps)

    def _push(
        self,
        item: _Item,
        text: str,
        taken: Sequence[Step],
        names: tuple[str, ...],
        *,
        hidden: bool = False,
        spelling: _Spelling | None = None,
        odd: bool = False,
    ) -> None:
        """Put a new text into the queue, if the bounds allow it."""
        if text in self._seen:
            return
        if len(self.views) + len(self._queue) >= _COUNT or len(text) > self._budget:
            self.complete = False
            return
        self._seen.add(text)
        self._budget -= len(text)
        child = _Item(
            text,
            _Way(item, taken).span,
            names,
            hidden=item.hidden or hidden,
            squeezed=item.squeezed or (spelling is not None and spelling.squeezed),
            odd=odd,
            depth=item.depth + 1,
            rank=spelling.rank if spelling else 0,
        )
        self._queue.append(child)

    def _view(self, item: _Item, text: str, steps: Sequence[Step]) -> None:
        if item.steps and not text.strip():
            return
        folded = steps is _FOLD
        name = "normalized" if item.name == "text" and folded else item.name
        span = _Way(item, steps).span if steps else item.span
        self.views.append(View(name, text, span, (*item.steps, EMPHASIS.name) if folded else item.steps, item.squeezed))


class _Way:
    """The way from a reading back to the raw text, made when it is first asked for."""

    __slots__ = ("_item", "_path", "_steps")

    def __init__(self, item: _Item, steps: Sequence[Step]) -> None:
        self._item = item
        self._steps = steps
        self._path: Path | None = None

    def span(self, start: int, end: int) -> Span:
        if self._path is None:
            self._path = Path(self._item.text, self._steps)
        return self._item.span(*self._path.span(start, end))


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Drop repeated neighbours that are parts of one step."""
    return tuple(name for index, name in enumerate(names) if index == 0 or names[index - 1] != name or name == "base64")


_DECODERS: Final[tuple[tuple[str, tuple[Step, ...]], ...]] = (
    ("markup", (SHOWN,)),
    ("escapes", (ESCAPES,)),
    ("quoted", (QUOTED_PRINTABLE,)),
    ("codes", (BINARY_CODES, HEX_CODES, DECIMAL_CODES)),
    ("token", (TOKENS,)),
)


class _Spelling(NamedTuple):
    """A spelling, what makes it worth trying, and where it stands among the others."""

    triggers: frozenset[str]
    steps: tuple[Step, ...]
    rank: int
    """Spellings are undone in the order of their ranks, which loses nothing, since most of them commute."""
    squeezed: bool = False


_SPELLINGS: Final = (
    _Spelling(frozenset({"broken"}), UNBROKEN, 1),
    _Spelling(frozenset({"spaced"}), UNSPACED, 2),
    _Spelling(frozenset({"spaced"}), (SQUEEZED_LETTERS,), 3, squeezed=True),
    _Spelling(frozenset({"joined"}), (SQUEEZED_WORDS,), 3, squeezed=True),
    _Spelling(frozenset({"joined"}), (UNJOINED,), 3),
    _Spelling(frozenset({"codes"}), (DECIMAL_CODES,), 3),
    _Spelling(frozenset({"reversed", "odd"}), (REVERSED,), 4),
    _Spelling(frozenset({"leet", "odd"}), LEETSPEAK, 5),
    _Spelling(frozenset({"leet"}), LEETSPEAK_L, 5),
    _Spelling(frozenset({"rot13", "odd"}), (ROT13,), 5),
)
_ROTATED: Final = _Spelling(frozenset({"odd"}), (ROT13,), 4)
"""Taken before look-alikes are read, since letters of other scripts do not rotate."""
