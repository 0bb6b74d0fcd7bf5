"""Sentences by the kind of their event; each theme adds its own.

Invariant: an event of a kind that no theme knows has no sentence, and asking for one is an error.
"""

from __future__ import annotations

from functools import singledispatch

from aisecops_langchain.domain.events import Event
from aisecops_langchain.forensics.calls import Calls
from aisecops_langchain.forensics.text import name


@singledispatch
def tell(event: Event, _: Calls) -> str:
    """Tell one event.

    Args:
        event: The event.
        _: The calls of its trace.

    Returns:
        One printable sentence.

    Raises:
        TypeError: If no theme has a sentence for its kind.
    """
    raise TypeError(f"no sentence for events of kind {name(event.kind)}")
