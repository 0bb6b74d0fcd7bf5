"""Words and letters that run into each other: read apart where signs show their ends, squeezed where they do not.

Invariant: whatever stands between the signs is read as words. Without the signs, which takes much longer to match, it
is read where a word of a rule stands across a sign or inside of many letters, and beside that.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import accumulate
from typing import Final, NamedTuple

from aisecops_langchain.sanitize.long_words import JOINING, joined_words, may_hold_digits
from aisecops_langchain.sanitize.respell import ALONE
from aisecops_langchain.sanitize.rule_words import words_of_rules
from aisecops_langchain.sanitize.steps import Edit, Extraction, Span

_RUN: Final = re.compile(
    rf"(?<![^\W_])[^\W_]{{1,20}}+(?:[{re.escape(JOINING)}][^\W_]{{1,20}}+(?![^\W_])){{3,4095}}"  # joined by signs
    r"|[^\W\d_]{20,}+"  # without anything between them
)
_LETTERS: Final = re.compile(
    rf"{ALONE}"  # parted by spaces
    r"|(?<![^\W_])[^\W_](?:[._*|/\u00b7\u2022~ -]{1,3}[^\W_](?![^\W_])){3,}"  # parted by dots or dashes
)
_SHORT_LINES: Final = re.compile(r"^(?:[^\n]{0,12}\n){3,}[^\n]{0,12}$", re.MULTILINE)
_GAP: Final = re.compile(rf"\s+|(?<=\w)[{re.escape(JOINING)}\u00b7\u2022]+(?=\w)|_")
_DIGIT: Final = re.compile("[0-9]")
_SHORTEST_RUN: Final = 6
_END: Final = re.compile(rf"[{re.escape(JOINING)}]|(?<=[a-z])(?=[A-Z])")
"""What a word ends with: a sign, or the capital of the next one."""
_OTHER_SIGNS: Final = re.compile(rf"[{re.escape(JOINING.replace('_', ''))}]")
_END_OF_NAME: Final = re.compile(rf"{_OTHER_SIGNS.pattern}|(?<=[a-z])(?=[A-Z])")
"""The same where other signs join words, and so an underscore belongs to the name of something."""
_FEWEST_SIGNS: Final = 3
_NUMBER: Final = re.compile("[0-9a-fA-F]+")
_SHORTEST: Final = 6
"""Letters of the shortest word that is looked for across the end of another: less come about by chance."""
_SHORTEST_IN_LINES: Final = 5
_SHORTEST_WITHIN: Final = 4
"""Letters of the shortest word that is looked for inside of a piece."""
_LONGEST_WORD: Final = 16
_LONGEST_PIECE: Final = 12
"""Letters of the longest piece that is one word, whatever it begins or ends with."""
_SMALL: Final = frozenset(
    ("all", "and", "any", "for", "from", "not", "now", "our", "that", "the", "them", "this", "with", "you")
)
"""Words that stand beside others; shorter ones are the ends of many."""
_BESIDE: Final = 2
"""So many runs on either side of one that hides a word are read with it."""


class _Run(NamedTuple):
    """Words that run into each other."""

    start: int
    end: int
    text: str
    pieces: list[str]


def _apart(text: str) -> Iterator[Edit]:
    for run in _runs(text):
        if len(run.pieces) > 1:
            end = _END_OF_NAME if len(_OTHER_SIGNS.findall(run.text)) >= _FEWEST_SIGNS else _END
            yield Edit(run.start, run.end, " ".join(end.split(run.text)))


def _squeezed_words(text: str) -> Iterator[Edit]:
    runs = _runs(text)
    hiding = [index for index, run in enumerate(runs) if _hides_words(run.pieces)]
    kept = {near for index in hiding for near in range(index - _BESIDE, index + _BESIDE + 1)}
    for index, run in enumerate(runs):
        if index in kept:
            yield Edit(run.start, run.end, "".join(run.pieces))


def _squeezed_letters(text: str) -> Iterator[Edit]:
    """Squeeze whatever stands alone: it may be of any spelling and code, and no honest text holds much of it."""
    for match in _LETTERS.finditer(text):
        squeezed = _GAP.sub("", match[0])
        if len(squeezed) >= _SHORTEST_RUN:
            yield Edit(match.start(), match.end(), squeezed)


def _squeezed_lines(text: str) -> Iterator[Edit]:
    for match in _SHORT_LINES.finditer(text):
        pieces = _GAP.split(match[0])
        squeezed = "".join(pieces)
        if len(squeezed) >= _SHORTEST_RUN and (_hides_word(pieces, _SHORTEST_IN_LINES) or _may_be_code(match[0])):
            yield Edit(match.start(), match.end(), squeezed)


def _may_be_code(lines: str) -> bool:
    return " " not in lines and _DIGIT.search(lines) is not None and may_hold_digits(lines.replace("\n", ""))


def holds_rule_words(letters: str) -> bool:
    """Tell whether a word of a rule stands in letters that run into each other, wherever it begins and ends.

    Args:
        letters: Squeezed text.

    Returns:
        Whether one does that is not short.
    """
    return any(True for _ in _words_in(letters.casefold(), _SHORTEST))


@lru_cache(maxsize=1)
def _runs(text: str) -> tuple[_Run, ...]:
    """Remembered for a moment: they are read apart and squeezed one after the other."""
    return tuple(_find_runs(text))


def _find_runs(text: str) -> Iterator[_Run]:
    end = 0
    for word in joined_words(text):
        start = text.index(word, end)
        end = start + len(word)
        for match in _RUN.finditer(word):
            pieces = _END.split(match[0])
            if not _NUMBER.fullmatch("".join(pieces)):
                yield _Run(start + match.start(), start + match.end(), match[0], pieces)


def _hides_words(pieces: list[str]) -> bool:
    """Tell whether words of a rule stand inside of a piece, or one across the end of it."""
    return any(len(piece) > _LONGEST_PIECE and _is_several(piece) for piece in pieces) or _hides_word(pieces)


def _is_several(piece: str) -> bool:
    """Tell whether words make up most of a long piece."""
    end, covered, count = 0, 0, 0
    for start, last in _words_in(piece.casefold(), _SHORTEST_WITHIN):
        if start >= end:
            covered, count = covered + last - start, count + 1
            end = last
    return count > 1 and covered * 2 > len(piece)


def _hides_word(pieces: list[str], shortest: int = _SHORTEST) -> bool:
    """Tell whether a word goes on behind the piece that it begins with, or leaves a small word of its piece.

    A piece that is a word by itself counts as that, and where a word begins inside of a piece it does not go on behind
    it: the end of one honest word and the beginning of the next make a third one by chance.
    """
    letters, words = "".join(pieces).casefold(), words_of_rules()
    ends = [0, *accumulate(map(len, pieces))]
    for start, end in _words_in(letters, shortest):
        piece = bisect_right(ends, start)
        first, last = ends[piece - 1], ends[piece]
        if end > last:
            hides = start == first and letters[first:last] not in words
        else:
            hides = letters[first:start] + letters[end:last] in _SMALL
        if hides:
            return True
    return False


def _words_in(letters: str, shortest: int) -> Iterator[Span]:
    """Find the words of rules, wherever they begin and end."""
    beginnings, words = _beginnings(shortest), words_of_rules()
    for start in range(len(letters) - shortest + 1):
        if letters[start : start + shortest] in beginnings:
            for end in range(start + shortest, min(start + _LONGEST_WORD, len(letters)) + 1):
                if letters[start:end] in words:
                    yield start, end


@cache
def _beginnings(length: int) -> frozenset[str]:
    return frozenset(word[:length] for word in words_of_rules() if len(word) >= length)


APART: Final = Extraction("apart", _apart)
"""Words that are joined by signs, parted by spaces."""
SQUEEZED_WORDS: Final = Extraction("squeezed", _squeezed_words)
"""Words that run into each other, without anything between them; for patterns that need no white space."""
SQUEEZED_LETTERS: Final = Extraction("squeezed", _squeezed_letters)
"""Letters that stand alone, likewise."""
SQUEEZED_LINES: Final = Extraction("squeezed", _squeezed_lines)
"""Lines of a few letters each, likewise."""
