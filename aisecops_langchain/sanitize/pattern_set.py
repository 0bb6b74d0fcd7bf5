"""Many patterns that are looked for in few passes over a text.

Invariant: a set never misses what its patterns would find one by one. Each pattern is looked for by a part that it
cannot match without, and a set that runs out of memory answers "all of them".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import re2

from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.sanitize.pattern_part import telling_part
from aisecops_langchain.sanitize.patterns import reason

_TOGETHER: Final = 95
"""Patterns in one automaton: fewer would need more passes, more would make more states."""
_TELLING: Final = 6.0
"""Weight of the parts that honest text seldom holds; the others have automata of their own, since an automaton has
other states for each combination of what it has found."""
_SET_MEMORY: Final = 64 * 2**20
"""Bytes that one automaton may take, at most."""


class PatternSet:
    """Many patterns, most of which most texts do not hold.

    Args:
        sources: Patterns in re2 syntax, matched without regard to case; neighbours should resemble each other.

    Raises:
        ConfigurationError: If they do not fit into the memory of a set.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        parts = [telling_part(source) for source in sources]
        kinds = [(part.foreign, part.weight >= _TELLING) for part in parts]
        blocks = [
            (foreign, PatternBlock([parts[index].source for index in block], block))
            for foreign, telling in ((False, True), (False, False), (True, True), (True, False))
            for block in _blocks([index for index, kind in enumerate(kinds) if kind == (foreign, telling)])
        ]
        self._plain = [block for foreign, block in blocks if not foreign]
        self._all = [block for _, block in blocks]

    def hits(self, text: bytes) -> list[int]:
        """Name the patterns that may match.

        Args:
            text: Text in UTF-8, in which k and s are written so (see ``fold.without_twins``).

        Returns:
            Positions in ``sources``, ascending: every pattern that matches, and perhaps some that do not.
        """
        found: list[int] = []
        for block in self._plain if text.isascii() else self._all:
            found += block.hits(text)
        found.sort()
        return found


class PatternBlock:
    """Patterns in one automaton, looked for as they are.

    Args:
        sources: Patterns in re2 syntax, matched without regard to case.
        names: What to call them; their positions by default.

    Raises:
        ConfigurationError: If they do not fit into the memory of a set.
    """

    def __init__(self, sources: Sequence[str], names: Sequence[int] | None = None) -> None:
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = False
        options.max_mem = _SET_MEMORY
        self._names = list(range(len(sources)) if names is None else names)
        self._set = re2.Set.SearchSet(options)
        # re2 answers "nothing" when its automaton runs out of memory; the end of the text always matches, so that
        # its absence gives this away.
        try:
            for source in sources:
                self._set.Add(source)
            self._sentinel = self._set.Add(r"\z")
            self._set.Compile()
        except re2.error as error:
            raise ConfigurationError(
                "patterns cannot be compiled together", expected="patterns that fit into memory", got=reason(error)
            ) from error

    def hits(self, text: bytes) -> list[int]:
        """Name the patterns that match.

        Args:
            text: Text in UTF-8.

        Returns:
            Their names; all of them if the automaton ran out of memory.
        """
        found = self._set.Match(text)
        if found is None or self._sentinel not in found:
            return self._names
        if len(found) == 1:
            return []
        return [self._names[index] for index in found if index != self._sentinel]


def _blocks(items: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(items), _TOGETHER):
        yield items[first : first + _TOGETHER]
