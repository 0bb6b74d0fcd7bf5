"""Finds content that an agent wrote itself: a memory, a note, a message that somebody reads later.

Invariant: a text counts as written by a call only if its digest is exactly that of what was read, and the call was
planned before anybody read it. Texts that the log withholds are not found, nor those that were changed in between.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Final

from aisecops_langchain.canonical import JsonValue, digest_text
from aisecops_langchain.domain.labels import Source, SourceKind
from aisecops_langchain.forensics.graph.model import EdgeKind
from aisecops_langchain.forensics.graph.sketch import Sketch

_LEAST_TEXT: Final = 8
"""Shorter texts are the same by chance."""

_WRITABLE: Final = frozenset(
    {SourceKind.MEMORY, SourceKind.RETRIEVAL_CHUNK, SourceKind.TOOL_RESULT, SourceKind.AGENT_MESSAGE, SourceKind.SKILL}
)


class Written:
    """Remembers, over all runs, which texts stood in arguments and when each source was first read."""

    def __init__(self) -> None:
        self._wrote: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)
        self._read: dict[Source, datetime] = {}

    def wrote(self, value: JsonValue, argument: str, time: datetime) -> None:
        """Remember the value of an argument.

        Args:
            value: The value as the log shows it.
            argument: Node of the argument.
            time: When the call was planned.
        """
        if isinstance(value, str) and len(value) >= _LEAST_TEXT:
            self._wrote[digest_text("content", value)].append((time, argument))

    def read(self, source: Source, time: datetime) -> None:
        """Remember that a source was read.

        Args:
            source: The source.
            time: When.
        """
        if source.kind in _WRITABLE:
            self._read[source] = min(time, self._read.get(source, time))

    def draw(self, sketch: Sketch) -> None:
        """Link arguments to what was read later.

        Args:
            sketch: The graph in the making.
        """
        for source, first in self._read.items():
            for time, argument in self._wrote.get(source.digest, ()):
                if time < first:
                    sketch.link(argument, sketch.source(source), EdgeKind.WROTE)
