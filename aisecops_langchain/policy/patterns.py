"""Texts that a regular expression may match, made from its own letters.

Invariant: a sample is a guess that callers check against the real engine; syntax that is not understood gives fewer
or worse samples, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ESCAPES: Final = {
    "d": "1",
    "D": "x",
    "w": "a",
    "W": "-",
    "s": " ",
    "S": "x",
    "n": "\n",
    "t": "\t",
    "b": "",
    "z": "",
    "A": "",
}
_REPEAT: Final = re.compile(r"\{(\d+)(?:,\d*)?\}")
_MOST: Final = 256
_DEEPEST: Final = 16


def sample(pattern: str) -> Iterator[str]:
    """Guess texts that match a pattern as a whole.

    Args:
        pattern: A regular expression.

    Yields:
        A few candidates, one per alternative at the top.
    """
    for branch in _branches(pattern)[:8]:
        yield _text(branch, 0)[:10_000]


def _branches(pattern: str) -> list[str]:
    """Cut a pattern at the bars that stand outside of groups and classes."""
    parts, depth, start, position, in_class = [], 0, 0, 0, False
    while position < len(pattern):
        letter = pattern[position]
        if letter == "\\":
            position += 1
        elif in_class:
            in_class = letter != "]"
        elif letter == "[":
            in_class = True
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "|" and depth == 0:
            parts.append(pattern[start:position])
            start = position + 1
        position += 1
    return [*parts, pattern[start:]]


def _text(pattern: str, depth: int) -> str:
    out, position = "", 0
    while position < len(pattern) and depth < _DEEPEST:
        atom, position = _atom(pattern, position, depth)
        count, position = _count(pattern, position)
        out += atom * count
    return out


def _atom(pattern: str, position: int, depth: int) -> tuple[str, int]:
    letter = pattern[position]
    if letter == "\\" and position + 1 < len(pattern):
        escaped = pattern[position + 1]
        return _ESCAPES.get(escaped, escaped), position + 2
    if letter == "[":
        end = pattern.find("]", position + 2)
        inside = pattern[position + 1 : end]
        return _one_of(inside), (end if end > 0 else len(pattern)) + 1
    if letter == "(":
        end = _closing(pattern, position)
        inside = re.sub(r"^\?(?:P?<\w+>|[a-zA-Z]*:|[a-zA-Z]+$)", "", pattern[position + 1 : end])
        return _text(_branches(inside)[0], depth + 1), end + 1
    if letter in "^$":
        return "", position + 1
    return ("x" if letter == "." else letter), position + 1


def _one_of(inside: str) -> str:
    if inside.startswith("^"):
        return next((letter for letter in "x1-_ é" if letter not in inside), "x")
    return _ESCAPES.get(inside[1:2], inside[1:2]) if inside.startswith("\\") else inside[:1]


def _closing(pattern: str, position: int) -> int:
    depth = 0
    for index in range(position, len(pattern)):
        if index and pattern[index - 1] == "\\":
            continue
        depth += {"(": 1, ")": -1}.get(pattern[index], 0)
        if depth == 0:
            return index
    return len(pattern)


def _count(pattern: str, position: int) -> tuple[int, int]:
    letter = pattern[position : position + 1]
    repeat = _REPEAT.match(pattern, position)
    if repeat is not None:
        count, position = min(int(repeat[1]), _MOST), repeat.end()
    elif letter and letter in "*?+":
        count, position = int(letter == "+"), position + 1
    else:
        return 1, position
    return count, position + (pattern[position : position + 1] == "?")
