"""One sentence per event: who, what and why.

Invariant: every event kind has a sentence of its own, and every word in it that comes from the log went through
``text``, so that a sentence is one printable line that log content cannot forge.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.sentences import approvals, content, decisions, execution, memory, runs
from aisecops_langchain.forensics.sentences.telling import tell
from aisecops_langchain.forensics.trace import Trace

_THEMES: Final = (runs, content, memory, decisions, approvals, execution)
"""Loaded, so that ``tell`` knows their sentences."""

_REMEMBERED: Final = 10_000
"""Calls whose arguments are shown while events come in without end."""


class Narrator:
    """Tells the events of one trace in words.

    Args:
        trace: The trace; its recorded arguments are shown wherever a call is named.
    """

    def __init__(self, trace: Trace) -> None:
        self._calls = Calls(trace.events)

    def tell(self, event: AnyEvent) -> str:
        """Tell one event.

        Args:
            event: An event of the trace.

        Returns:
            One printable sentence.

        Raises:
            TypeError: If there is no sentence for its kind.
        """
        return tell(event, self._calls)


class LiveNarrator:
    """Tells events of any trace as they come; arguments are shown where an event that it heard recorded them."""

    def __init__(self) -> None:
        self._calls = Calls(most=_REMEMBERED, lacking="arguments recorded earlier")

    def hear(self, event: AnyEvent) -> None:
        """Remember the calls that an event records.

        Args:
            event: Any event, whether it is told or not.
        """
        self._calls.learn(event)

    def tell(self, event: AnyEvent) -> str:
        """Tell one event.

        Args:
            event: Any event.

        Returns:
            One printable sentence.

        Raises:
            TypeError: If there is no sentence for its kind.
        """
        return tell(event, self._calls)
