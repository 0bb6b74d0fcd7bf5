"""The texts beside this file that rules are judged with, not written by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aisecops_langchain.domain.labels import SourceKind


class Text(NamedTuple):
    """One text and the door that it is for."""

    kind: str
    channel: SourceKind
    text: str


def texts(name: str) -> Iterator[Text]:
    """Read a file of texts: ``== channel kind`` opens a section, then one text a line."""
    channel, kind = SourceKind.TOOL_RESULT, ""
    for line in (Path(__file__).parent / "heldout" / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            _, door, kind = line.split()
            channel = SourceKind(door)
        elif line and not line.startswith("# A") and not line.startswith("# Texts"):
            yield Text(kind, channel, line.replace("\\n", "\n"))
