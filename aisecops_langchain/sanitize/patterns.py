"""Google-re2 with types: single patterns.

Invariant: matching takes time linear in the text, whatever pattern and text are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

import re2

from aisecops_langchain.errors import ConfigurationError


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
    def programsize(self) -> int:
        """Instructions that it was compiled to."""
        ...

    @property
    def groups(self) -> int:
        """How many groups it has."""
        ...

    def search(self, text: str | bytes) -> Match | None:
        """Find the first match, in UTF-8 too."""
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
            got=reason(error),
            remedy="correct the pattern",
        ) from error


def compile_bytes(source: str) -> Pattern:
    """Compile a pattern of bytes that need not be text; case counts.

    Args:
        source: A pattern in re2 syntax, in which characters up to 255 stand for bytes.

    Returns:
        The compiled pattern, to be searched for in ``bytes``.
    """
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return cast("Pattern", re2.compile(source.encode("latin-1"), options))


def reason(error: re2.error) -> str:
    """Return what re2 says of a pattern, which comes as bytes.

    Args:
        error: What it raised.

    Returns:
        The reason.
    """
    said = error.args[0]
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
