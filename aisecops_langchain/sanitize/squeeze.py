r"""Patterns for texts whose word boundaries are lost.

Invariant: whatever a pattern matches, its squeezed form matches without the white space. It matches much more than
that, so that it is only for runs of letters that no honest text holds.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]| ", re.DOTALL)
_SPACE: Final = {r"\b": "(?:)", r"\s": r"\s*", " ": r"\s*"}


def squeeze_pattern(source: str) -> str:
    r"""Let a pattern match without white space and word boundaries.

    Args:
        source: A pattern in re2 syntax, as it is compiled.

    Returns:
        The pattern with every ``\b`` left out and every ``\s`` optional.
    """
    return _TOKEN.sub(_relax, source)


def _relax(token: re.Match[str]) -> str:
    part = token[0]
    if part.startswith("[") and r"\s" in part:
        return f"{part}"
    return f"(?:{_SPACE[part]})" if part in _SPACE else part
