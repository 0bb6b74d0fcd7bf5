"""Google-re2 with types: single patterns, and many patterns in one pass.

Invariant: matching takes time linear in the text. A pattern set never misses what its patterns would find one by one:
counters are only ever widened, and a set that ran out of memory answers "all of them".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol, cast

import re2

from aisecops_langchain.errors import ConfigurationError

_COUNTER: Final = re.compile(r"(?<!\\)\{(\d+),(\d+)\}")
_WIDE_MINIMUM: Final = 8
_WAITS: Final = re.compile(r"(?:\]|(?<!\\)\.)(?:\{\d+,\d*\}|[*+])")
"""A run of almost any character: having seen what stands before it, a pattern waits for what stands behind it."""
_WAITING: Final = 40
_PLAIN: Final = 200
"""Patterns in one automaton: of those that wait, and of those that do not."""
_SET_MEMORY: Final = 64 * 2**20
"""Bytes that the automaton of a block may take, at most."""


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


class Pattern(Protocol):
    """The part of a compiled pattern that is used here."""

    @property
    def programsize(self) -> int:
        """Instructions that it was compiled to."""
        ...

    def search(self, text: str) -> Match | None:
        """Find the first match."""
        ...

    def finditer(self, text: str) -> Iterator[Match]:
        """Find all matches that do not overlap."""
        ...


@lru_cache(maxsize=4096)
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
            got=_reason(error),
            remedy="correct the pattern",
        ) from error


class PatternSet:
    """Many patterns that are looked for in few passes.

    Patterns that wait are compiled in blocks, since each that may be waiting or not doubles the states of an
    automaton; a single one over all of them spends its time on making states. The others share large ones.

    Args:
        sources: Patterns in re2 syntax, matched without regard to case; neighbours should resemble each other.

    Raises:
        ConfigurationError: If they do not fit into the memory of a set.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        waiting = [bool(_WAITS.search(source)) for source in sources]
        self._blocks = [
            _Block([(index, sources[index]) for index in indexes])
            for wait, size in ((True, _WAITING), (False, _PLAIN))
            for indexes in _parts([index for index, waits in enumerate(waiting) if waits is wait], size)
        ]

    def hits(self, text: str) -> list[int]:
        """Name the patterns that may match.

        Args:
            text: Text without lone surrogates.

        Returns:
            Positions in ``sources``, ascending: every pattern that matches, and perhaps some that do not.
        """
        encoded = text.encode()
        found: list[int] = []
        for block in self._blocks:
            found += block.hits(encoded)
        return sorted(found)


class _Block:
    """One automaton for some of the patterns."""

    def __init__(self, sources: Sequence[tuple[int, str]]) -> None:
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = False
        options.max_mem = _SET_MEMORY
        self._indexes = [index for index, _ in sources]
        self._set = re2.Set.SearchSet(options)
        # re2 answers "nothing" when its automaton runs out of memory; the end of the text always matches, so that
        # its absence gives this away.
        try:
            for _, source in sources:
                self._set.Add(_widened(source))
            self._sentinel = self._set.Add(r"\z")
            self._set.Compile()
        except re2.error as error:
            raise ConfigurationError(
                "patterns cannot be compiled together", expected="patterns that fit into memory", got=_reason(error)
            ) from error

    def hits(self, encoded: bytes) -> list[int]:
        found = self._set.Match(encoded)
        if found is None or self._sentinel not in found:
            return self._indexes
        if len(found) == 1:
            return []
        return [self._indexes[index] for index in found if index != self._sentinel]


def _parts(items: list[int], size: int) -> Iterator[list[int]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _reason(error: re2.error) -> str:
    """Return what re2 says, which comes as bytes."""
    reason = error.args[0]
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _widened(source: str) -> str:
    """Replace ``{a,b}`` by ``{min(a, 8),}``: bounded counters multiply the automaton's states."""
    return _COUNTER.sub(lambda counter: f"{{{min(int(counter[1]), _WIDE_MINIMUM)},}}", source)
