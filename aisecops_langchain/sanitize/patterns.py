"""Google-re2 with types: single patterns, and many patterns in one pass.

Invariant: matching takes time linear in the text. A pattern set never misses what its patterns would find one by one:
counters are only ever widened, and a set that ran out of memory answers "all of them".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, cast

import re2

from aisecops_langchain.errors import ConfigurationError

_COUNTER: Final = re.compile(r"(?<!\\)\{(\d+),(\d+)\}")
_WIDE_MINIMUM: Final = 8
_SET_MEMORY: Final = 64 * 2**20
"""Bytes that a set's automaton may take, at most."""


class Match(Protocol):
    """The part of a match that is used here."""

    def start(self) -> int:
        """Offset of its first character."""
        ...

    def end(self) -> int:
        """Offset behind its last character."""
        ...

    def group(self) -> str:
        """The text that matched."""
        ...

    def span(self, group: int = 0) -> tuple[int, int]:
        """Offsets of the match, or of one of its groups; -1 and -1 for a group that is not in it."""
        ...


class Pattern(Protocol):
    """The part of a compiled pattern that is used here."""

    @property
    def groups(self) -> int:
        """How many groups it has."""
        ...

    def search(self, text: str) -> Match | None:
        """Find the first match."""
        ...

    def finditer(self, text: str) -> Iterator[Match]:
        """Find all matches that do not overlap."""
        ...


def compile_pattern(source: str) -> Pattern:
    """Compile one pattern, case-insensitively.

    Args:
        source: A pattern in re2 syntax.

    Returns:
        The compiled pattern.

    Raises:
        ConfigurationError: If it is not one.
    """
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    try:
        return cast("Pattern", re2.compile(source, options))
    except re2.error as error:
        raise ConfigurationError(
            "pattern cannot be compiled",
            expected="google-re2 syntax (no look-around, no back references)",
            got=str(error),
            remedy="correct the pattern",
        ) from error


class PatternSet:
    """Many patterns that are looked for in one pass.

    Args:
        sources: Patterns in re2 syntax, matched without regard to case.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = False
        options.max_mem = _SET_MEMORY
        self._size = len(sources)
        self._set = re2.Set.SearchSet(options)
        for source in sources:
            self._set.Add(_widened(source))
        # re2 answers "nothing" when its automaton runs out of memory; the end of the text always matches, so that
        # its absence gives this away.
        self._sentinel = self._set.Add(r"\z")
        self._set.Compile()

    def hits(self, text: str) -> list[int]:
        """Name the patterns that may match.

        Args:
            text: Text without lone surrogates.

        Returns:
            Positions in ``sources``, ascending: every pattern that matches, and perhaps some that do not.
        """
        found = self._set.Match(text)
        if found is None or self._sentinel not in found:
            return list(range(self._size))
        if len(found) == 1:
            return []
        return sorted(index for index in found if index != self._sentinel)


def _widened(source: str) -> str:
    """Replace ``{a,b}`` by ``{min(a, 8),}``: bounded counters multiply the automaton's states."""
    return _COUNTER.sub(lambda counter: f"{{{min(int(counter[1]), _WIDE_MINIMUM)},}}", source)
