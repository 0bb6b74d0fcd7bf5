"""Normalising: remove what no reader sees, and offer the readings that detectors look at.

Invariant: the text that is passed on differs from the raw text only by invisible characters, controls and lone
surrogates; visible text is never rewritten. ``normalize`` is idempotent, and clean ASCII comes back as it is.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.fold import fold, fold_positions, reads_differently
from aisecops_langchain.sanitize.hidden import FLAG, read_hidden

_ASCII_CONTROLS: Final = bytes(code for code in [*range(32), 127] if code not in b"\t\n\r")
_GROUPS: Final = {
    "control": "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f",
    "line": "\x0b\x0c\x85",
    "bidi": "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069",
    "zero_width": "\u00ad\u034f\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a",
    "joiner": "\u200c\u200d",
    "variation": "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef",
    "tag": "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff",
    "surrogate": "\ud800-\udfff",
}
_KINDS: Final = {"line": "control", "joiner": "zero_width"}
"""Groups that are reported under another name than their own."""

_REPLACEMENTS: Final = {"line": "\n", "surrogate": "\ufffd"}
"""What stands for one character of a group: without a line break, two words would become one."""

_ANY_SUSPECT: Final = re.compile(f"[{''.join(_GROUPS.values())}]")
_GROUP_CHOICE: Final = "|".join(f"(?P<{group}>[{members}]+)" for group, members in _GROUPS.items())
_SUSPECT: Final = re.compile(f"(?={_ANY_SUSPECT.pattern})(?:{_GROUP_CHOICE})|(?P<flag>{FLAG})")
"""The look-ahead passes over ordinary characters before the groups are tried one by one."""

_JOINING: Final = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0e80-\u109f\u1780-\u18af\ua840-\ua9ff\ufb50-\ufdff\ufe70-\ufefc]"
)
"""Scripts that spell words with joiners (Arabic, the Indic scripts, Mongolian ...)."""

_TAKES_SELECTOR: Final = re.compile(
    "[#*0-9\u00a9\u00ae\u1820-\u18af\u203c\u2049\u2190-\u2bff\u3030\u303d\u3297\u3299\u3400-\u9fff\uf900-\ufaff"
    "\U0001f000-\U0001faff\U00020000-\U0003ffff]"
)
"""Emoji, Han and Mongolian letters: one selector behind one of them chooses a glyph."""


class Removal(NamedTuple):
    """One run of raw characters that is not passed on as it was."""

    kind: str
    """What it was: ``control``, ``bidi``, ``zero_width``, ``variation``, ``tag`` or ``surrogate``."""
    start: int
    end: int
    replacement: str = ""
    """What stands in its place."""


class View(NamedTuple):
    """One reading of a raw text."""

    name: str
    text: str
    positions: Callable[[], Sequence[int]]
    """Raw position of every character of ``text``; computed on demand, since most texts match nothing."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a non-empty span of ``text`` stands in the raw text."""
        positions = self.positions()
        return positions[start], positions[end - 1] + 1


class Normalized(NamedTuple):
    """A raw text and what is passed on of it."""

    raw: str
    text: str
    """The text without its invisible characters."""

    @property
    def removals(self) -> tuple[Removal, ...]:
        """What was removed or replaced, in order, neighbours of one kind as one record."""
        if self.raw is self.text:
            return ()
        return tuple(_merged(_removals(self.raw)))

    def views(self) -> tuple[View, ...]:
        """Return every reading that a detector should see.

        Returns:
            ``text``; ``normalized`` if folding may reveal more; the same two of hidden text, both named ``hidden``.
        """
        views = [View("text", self.text, self._positions)]
        if reads_differently(self.text):
            views.append(View("normalized", fold(self.text), lambda: fold_positions(self.text, self._positions())))
        if self.raw is not self.text:
            views += _hidden_views(self.raw)
        return tuple(views)

    def _positions(self) -> Sequence[int]:
        if self.raw is self.text:
            return range(len(self.raw))
        positions, last = array("I"), 0
        for removal in _removals(self.raw):
            if not removal.replacement:  # what is replaced keeps its place, character for character
                positions.extend(range(last, removal.start))
                last = removal.end
        positions.extend(range(last, len(self.raw)))
        return positions


def normalize(text: str) -> Normalized:
    """Strip what cannot be seen.

    Args:
        text: Any string, lone surrogates included.

    Returns:
        The raw text, the text to pass on, and on demand what was removed and the readings to inspect.
    """
    if text.isascii():
        data = text.encode()
        if len(data.translate(None, _ASCII_CONTROLS)) == len(data):
            return Normalized(text, text)
    elif not _ANY_SUSPECT.search(text):
        return Normalized(text, text)
    pieces: list[str] = []
    last = 0
    for removal in _removals(text):
        pieces += (text[last : removal.start], removal.replacement)
        last = removal.end
    if not pieces:
        return Normalized(text, text)
    pieces.append(text[last:])
    return Normalized(text, "".join(pieces))


def _removals(text: str) -> Iterator[Removal]:
    """Yield every run to remove; whether it is legitimate depends on the last character kept and the next one.

    A legitimate run is one selector or joiner: of more, the first selector or the last joiner stays.
    """
    after = 0
    kept = ""
    for run in _SUSPECT.finditer(text):
        group, start, end = run.lastgroup or "", run.start(), run.end()
        kept = text[start - 1] if start > after else kept
        after = end
        if group == "flag":
            kept = text[end - 1]
            continue
        if group == "variation" and _TAKES_SELECTOR.match(kept):
            kept, start = text[start], start + 1
        elif group == "joiner" and _may_join(kept, text[end : end + 1]):
            kept, end = text[end - 1], end - 1
        if start < end:
            replacement = _REPLACEMENTS.get(group, "") * (end - start)
            kept = replacement[-1:] or kept
            yield Removal(_KINDS.get(group, group), start, end, replacement)


def _may_join(before: str, following: str) -> bool:
    return (before == "\ufe0f" or _joins(before)) and _joins(following) and not _SUSPECT.match(following)


def _joins(character: str) -> bool:
    """Tell whether a joiner may stand beside this character: a letter of a joining script, or an emoji."""
    if not character:
        return False
    return _JOINING.match(character) is not None or unicodedata.category(character) in {"So", "Sk"}


def _merged(removals: Iterator[Removal]) -> Iterator[Removal]:
    current: Removal | None = None
    for removal in removals:
        if current and current.kind == removal.kind and current.end == removal.start:
            joined = current.replacement + removal.replacement
            current = Removal(current.kind, current.start, removal.end, joined)
            continue
        if current:
            yield current
        current = removal
    if current:
        yield current


def _hidden_views(raw: str) -> list[View]:
    text, positions = read_hidden(raw)
    if not text:
        return []
    views = [View("hidden", text, lambda: positions)]
    if reads_differently(text):
        views.append(View("hidden", fold(text), lambda: fold_positions(text, positions)))
    return views
