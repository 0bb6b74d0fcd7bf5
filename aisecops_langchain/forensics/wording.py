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


class Narrator:
    """Tells the events of one trace in words.

    Args:
        trace: The trace; its recorded arguments are shown wherever a call is named.
    """

    def __init__(self, trace: Trace) -> None:
        self._calls = Calls(trace)

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
