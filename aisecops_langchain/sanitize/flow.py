"""Text that is let out while it still comes in: a bounded part of it is held back until what follows was seen.

Invariant: what is let out depends on the text alone, not on the chunks in which it came, so a stream joined equals the
same text in one piece. Whatever a detector finds in at most ``hold`` characters is found before its first character is
let out; an image or a link is never let out before its end was seen; and after something was withheld nothing follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.finding import Finding
from aisecops_langchain.sanitize.inspection import structural
from aisecops_langchain.sanitize.normalize import MAX_REMOVALS, UNSEEN_KINDS, Removal
from aisecops_langchain.sanitize.outcome import UNREADABLE_NOTICE, Sanitized

DEFAULT_HOLD: Final = 256
"""Characters held back by default."""

_LONGEST: Final = 1_000_000
"""Characters of one text that are let out at most: as many as a text in one piece may have; the rest is withheld."""

_MOST: Final = 4096
"""Characters that may be held back where a piece cannot be cut; what cannot be cut then is withheld."""

_TRIES: Final = 8
_OPEN_LINK: Final = re.compile(r"!?\[[^\[\]\n]{0,200}(?:\](?:\([^()\s]*)?)?\Z")
_OPEN_TAG: Final = re.compile(r"<(?:img|a)\b", re.IGNORECASE)

_COMPACT: Final = 65_536


class TextFlow:
    """Inspects a text piece by piece; not safe to share between threads.

    Args:
        inspect: Inspects one piece of text.
        hold: Characters held back, and so the longest match that is sure to be found.

    Attributes:
        findings: What was found so far; offsets count from the start of the whole text.
        actions: What was done so far.
        removals: What was not passed on so far, whatever it said; offsets count as those of findings, and of very many
            the first are kept.
        shown: What was let out so far, in pieces.
        closed: Whether something was withheld, so that nothing more is let out.
        blocked: Whether policy says that the caller must be told.
    """

    def __init__(self, inspect: Callable[[str], Sanitized], *, hold: int = DEFAULT_HOLD) -> None:
        if hold < 32:
            raise ConfigurationError("too little is held back", expected="at least 32 characters", got=str(hold))
        self._inspect = inspect
        self._step = hold // 2
        self._hold = hold
        self._window = hold + self._step
        self._most = max(_MOST, 4 * hold)
        self._text = ""
        self._at = 0
        self._passed = 0
        self.findings: list[Finding] = []
        self.actions: dict[str, None] = {}
        self.removals: list[Removal] = []
        self.shown: list[str] = []
        self.closed = False
        self.blocked = False

    def feed(self, text: str) -> str:
        """Take in the next part of the text.

        Args:
            text: Any string.

        Returns:
            What may be let out now; perhaps nothing.

        Raises:
            SanitizeError: If it cannot be inspected.
        """
        if self.closed:
            return ""
        self._text += text
        return "".join(self._pieces())

    def end(self) -> str:
        """Say that nothing follows.

        Returns:
            The rest of what may be let out.

        Raises:
            SanitizeError: If it cannot be inspected.
        """
        if self.closed or self._at == len(self._text):
            return ""
        rest = self._text[self._at :]
        return self._let(len(rest), self._inspect(rest))

    def _pieces(self) -> Iterator[str]:
        """Let out pieces for as long as more than a window of text is there."""
        while not self.closed and len(self._text) - self._at > self._window:
            if self._passed >= _LONGEST:
                yield self._give_up("size")
                return
            window = self._text[self._at : self._at + self._window]
            whole = self._inspect(window)
            if _is_withheld(whole):
                yield self._let(len(window), whole)
                return
            cut = self._cut(window, whole)
            if cut is not None:
                yield self._let(*cut)
                self._window = self._hold + self._step
            elif self._window < self._most:
                self._window += self._step
            else:
                yield self._give_up("unread")
                return

    def _cut(self, window: str, whole: Sanitized) -> tuple[int, Sanitized] | None:
        """Find where the window can be cut so that its first part, inspected alone, comes out the same."""
        latest = min(len(window) - self._hold, _open_at(window))
        for end in _boundaries(window, latest):
            if _parts_markup(end, whole.removals) and self._window < self._most:
                continue  # what stands in a comment would come out as words
            if whole.changed and any(found.start < end < found.end for found in whole.findings):
                continue  # of what is cut, a part would come out
            if not whole.changed:
                return end, replace(whole, text=window[:end])
            part = self._inspect(window[:end])
            if not _is_withheld(part) and whole.text.startswith(part.text):
                return end, part
        return None

    def _let(self, length: int, piece: Sanitized) -> str:
        """Account for a piece and move on behind it."""
        start = self._passed
        self.findings += (
            replace(found, start=found.start + start, end=found.end + start)
            for found in piece.findings
            if found.start < length
        )
        self._note(piece.removals, length)
        self.actions |= dict.fromkeys(piece.actions)
        self._passed += length
        self._at += length
        if self._at > _COMPACT:
            self._text, self._at = self._text[self._at :], 0
        self.closed = _is_withheld(piece)
        self.blocked = piece.blocked
        self.shown.append(piece.text)
        return piece.text

    def _note(self, removals: Iterable[Removal], length: int) -> None:
        """Note what was not passed on; a run that pieces share is one, as it is where nothing was cut."""
        for removal in removals:
            if removal.start >= length:
                return
            moved = removal._replace(start=removal.start + self._passed, end=removal.end + self._passed)
            last = self.removals[-1] if self.removals else moved
            if (last.kind, last.end) == (moved.kind, moved.start) and moved.kind in UNSEEN_KINDS:
                self.removals[-1] = last._replace(end=moved.end, replacement=last.replacement + moved.replacement)
            elif len(self.removals) < MAX_REMOVALS:
                self.removals.append(moved)

    def _give_up(self, rule: str) -> str:
        self.closed = True
        self.findings.append(replace(structural(rule), start=self._passed, end=self._passed + self._window))
        self.shown.append(UNREADABLE_NOTICE)
        self.actions["quarantined"] = None
        return UNREADABLE_NOTICE


def _is_withheld(piece: Sanitized) -> bool:
    return piece.blocked or "quarantined" in piece.actions


def _parts_markup(end: int, removals: Sequence[Removal]) -> bool:
    """Whether a cut would part markup that is not passed on from its end."""
    return any(item.start < end < item.end for item in removals if item.kind not in UNSEEN_KINDS)


def _open_at(window: str) -> int:
    """Find where an image or a link begins whose end is still to come; the window's length if there is none."""
    link = _OPEN_LINK.search(window)
    tag = _OPEN_TAG.search(window, window.rfind(">") + 1)
    return min((found.start() for found in (link, tag) if found is not None), default=len(window))


def _boundaries(window: str, latest: int) -> Iterator[int]:
    """Yield places to cut a window at, the latest first: behind white space, or anywhere if there is none."""
    if latest <= 0:
        return
    found = [index + 1 for index in range(latest - 1, -1, -1) if window[index].isspace()][:_TRIES]
    yield from found or [latest]
