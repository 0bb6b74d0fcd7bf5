"""Whether an attacker's text has come into a run.

Invariant: what is searched is the structured result of a tool, before rendering wraps its lines and before anything is
taken out of it; so the planner obeys even text that the model would never have been shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Observer = Callable[[object], None]
"""Told the structured result of every call, as plain JSON types."""


def ignore(_result: object) -> None:
    """Observe nothing."""


class Sight:
    """Looks for a text in the results of tools.

    Args:
        text: What an attacker wants; whitespace means nothing, since AgentDojo's files fold lines.

    Attributes:
        seen: Whether any result held it so far.
    """

    def __init__(self, text: str) -> None:
        self._text = _folded(text)
        self.seen = False

    def observe(self, result: object) -> None:
        """Look at what a tool returned.

        Args:
            result: Its structured result.
        """
        self.seen = self.seen or holds(result, self._text)


def holds(result: object, text: str) -> bool:
    """Tell whether a text stands in any string of a structured result.

    Args:
        result: Lists, mappings and scalars, however nested.
        text: The text, whitespace folded.

    Returns:
        Whether it is there.
    """
    return any(text in _folded(found) for found in _strings(result))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _folded(text: str) -> str:
    return " ".join(text.split())
