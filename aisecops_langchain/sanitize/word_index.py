"""Patterns by the words that they cannot match without, for texts that are not worth an automaton.

Invariant: whatever pattern matches a text is named for it, if it has such words. An automaton over many patterns is
fast where it was before; words that run into each other are new to it at almost every character.
"""

from __future__ import annotations

from collections.abc import Sequence

from aisecops_langchain.sanitize.pattern_words import SHORTEST, needed_words


class WordIndex:
    """Names the patterns that a short text may match.

    Args:
        sources: Patterns in re2 syntax, matched without regard to case.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._needs = [needed_words(source) for source in sources]
        self.unknown = [index for index, sets in enumerate(self._needs) if not sets]
        """Positions of patterns of which no word is known; they are not looked for here."""
        self._words: dict[str, list[str]] = {}
        self._patterns: dict[str, list[int]] = {}
        for index, sets in enumerate(self._needs):
            for word in sets[0] if sets else ():
                self._patterns.setdefault(word, []).append(index)
        for word in self._patterns:
            self._words.setdefault(word[:SHORTEST], []).append(word)

    def hits(self, text: str) -> list[int]:
        """Name the patterns that may match.

        Args:
            text: A text; this takes time for each of its characters.

        Returns:
            Positions in ``sources``, ascending: every pattern with known words that matches, and perhaps some that
            do not.
        """
        folded = text.casefold()
        beginnings = {folded[at : at + SHORTEST] for at in range(len(folded) - SHORTEST + 1)}
        standing = [word for start in beginnings & self._words.keys() for word in self._words[start] if word in folded]
        named = {index for word in standing for index in self._patterns[word]}
        return sorted(index for index in named if self._may_match(index, folded))

    def _may_match(self, index: int, folded: str) -> bool:
        return all(any(word in folded for word in words) for words in self._needs[index][1:])
