"""One sentence per event: who, what and why.

Invariant: every event kind has a sentence of its own, and every word in it that comes from the log went through
``text``, so that a sentence is one printable line that log content cannot forge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.sentences import approvals, content, decisions, execution, memory, runs
from aisecops_langchain.forensics.text import name
from aisecops_langchain.forensics.trace import Trace

_SENTENCES: Final[dict[type, Callable[..., str]]] = {
    kind: sentence
    for theme in (runs, content, memory, decisions, approvals, execution)
    for kind, sentence in theme.tell.registry.items()
    if kind is not object
}


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
        sentence = _SENTENCES.get(type(event))
        if sentence is None:
            raise TypeError(f"no sentence for events of kind {name(event.kind)}")
        return sentence(event, self._calls)
