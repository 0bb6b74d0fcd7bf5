"""Normalising: remove what no reader sees.

Invariant: the text that is passed on differs from the raw text only by invisible characters, controls and lone
surrogates; visible text is never rewritten. ``normalize`` is idempotent, and clean ASCII comes back as it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from typing import Final, NamedTuple

from aisecops_langchain.domain.events.base import RemovalRecord
from aisecops_langchain.sanitize.fold import rare_characters
from aisecops_langchain.sanitize.hidden import FLAG
from aisecops_langchain.sanitize.steps import Edit, Locate, edits_trace, same_span

MAX_REMOVALS: Final = 1_000
"""Removals of one text that are recorded one by one."""
_MAX_RUNS: Final = 50_000
"""Runs that are looked at for them; neighbouring runs are one removal."""

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

UNSEEN_KINDS: Final = frozenset(_GROUPS) - _KINDS.keys()
"""Kinds of invisible characters: neighbouring runs of one kind are one removal."""

_REPLACEMENTS: Final = {"line": "\n", "surrogate": "\ufffd"}
"""What stands for one character of a group: without a line break, two words would become one."""

_ANY_SUSPECT: Final = re.compile(f"[{''.join(_GROUPS.values())}]")
_GROUP_CHOICE: Final = "|".join(f"(?P<{group}>[{members}]+)" for group, members in _GROUPS.items())
_SUSPECT: Final = re.compile(f"(?={_ANY_SUSPECT.pattern})(?:{_GROUP_CHOICE})|(?P<flag>{FLAG})")
"""The look-ahead passes over ordinary characters before the groups are tried one by one."""

_TRANSLATION: Final = {0x0B: "\n", 0x0C: "\n", 0x85: "\n"} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_ALWAYS: Final = re.compile(
    f"[{_GROUPS['control']}{_GROUPS['bidi']}{_GROUPS['zero_width']}{_GROUPS['joiner']}{_GROUPS['tag']}]+"
)
_IN_CONTEXT: Final = re.compile(f"[{_GROUPS['joiner']}{_GROUPS['variation']}\U0001f3f4]")
_SOFT_HYPHEN: Final = "\u00ad"
_SELECTING: Final = re.compile(f"[{_GROUPS['variation']}\U0001f3f4]")
_UNSEEN: Final = re.compile(
    f"[{_GROUPS['bidi']}{_GROUPS['zero_width']}{_GROUPS['joiner']}{_GROUPS['variation']}{_GROUPS['tag']}]"
)

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
    """``control``, ``bidi``, ``zero_width``, ``variation``, ``tag`` or ``surrogate``; or a kind of markup."""
    start: int
    end: int
    replacement: str = ""
    """What stands in its place."""

    def record(self) -> RemovalRecord:
        """Return the removal in the form that events carry.

        Returns:
            The record.
        """
        return RemovalRecord(kind=self.kind, start=self.start, end=self.end)


class Normalized(NamedTuple):
    """A raw text and what is passed on of it."""

    raw: str
    text: str
    """The text without its invisible characters."""

    @property
    def removals(self) -> tuple[Removal, ...]:
        """What was removed or replaced, in order, neighbours of one kind as one record; the first of very many."""
        if self.raw is self.text:
            return ()
        return tuple(islice(_merged(islice(_removals(self.raw), _MAX_RUNS)), MAX_REMOVALS))

    def way_back(self) -> Locate:
        """Return what leads a span of the text back to the raw text; making it takes a look at all of the text."""
        return same_span if self.raw is self.text else strip_trace(self.raw)


def normalize(text: str) -> Normalized:
    """Strip what cannot be seen.

    Args:
        text: Any string, lone surrogates included.

    Returns:
        The raw text, the text to pass on, and on demand what was removed.
    """
    rare = text if text.isascii() else rare_characters(text)
    data = text.encode("ascii", "ignore")
    if len(data.translate(None, _ASCII_CONTROLS)) == len(data) and (rare is text or not _ANY_SUSPECT.search(rare)):
        return Normalized(text, text)
    if rare is text or not _depends_on_neighbours(text, rare):
        return Normalized(text, _ALWAYS.sub("", text.translate(_TRANSLATION)))
    kept, last = StringIO(), 0
    for group, start, end in _runs(text):
        kept.write(text[last:start])
        kept.write(_REPLACEMENTS.get(group, "") * (end - start))
        last = end
    if last == 0:
        return Normalized(text, text)
    kept.write(text[last:])
    return Normalized(text, kept.getvalue())


def strip_trace(raw: str) -> Locate:
    """Say where the characters of a normalised text come from.

    Args:
        raw: The raw text.

    Returns:
        The way back; what is replaced keeps its place, character for character.
    """
    return edits_trace(Edit(start, end, "") for group, start, end in _runs(raw) if group not in _REPLACEMENTS)


def is_smuggler(text: str) -> bool:
    """Tell whether a text holds characters that no reader sees, and that are not just debris of an encoding.

    Args:
        text: Any text.

    Returns:
        Whether there are any, of use to honest text or not.
    """
    return not text.isascii() and _UNSEEN.search(rare_characters(text).replace(_SOFT_HYPHEN, "")) is not None


def _depends_on_neighbours(text: str, rare: str) -> bool:
    """Tell whether a joiner, a selector or a tag may be legitimate: there are some, and something that takes them."""
    if not _IN_CONTEXT.search(rare):
        return False
    return _SELECTING.search(rare) is not None or "^" in text or "`" in text or _UNSEEN.sub("", rare) != ""


def _runs(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield group, start and end of every run to remove; neighbours may make it legitimate.

    A legitimate run is one selector or joiner: of more, the first selector or the last joiner stays.
    """
    after = 0
    kept = ""
    for run in _SUSPECT.finditer(text):
        group = run.lastgroup or ""
        start, end = run.span()
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
            kept = _REPLACEMENTS.get(group, kept)
            yield group, start, end


def _removals(text: str) -> Iterator[Removal]:
    for group, start, end in _runs(text):
        yield Removal(_KINDS.get(group, group), start, end, _REPLACEMENTS.get(group, "") * (end - start))


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
