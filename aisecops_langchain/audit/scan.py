"""Reading only the lines of some kinds, for questions about millions of events.

Invariant: a line is skipped only if its own text says that it is of another kind; one that cannot be told, or is no
JSON, is counted. Whether the log was changed, ``verify_log`` says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import orjson
from pydantic import JsonValue

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.lines import iter_lines
from aisecops_langchain.audit.records import RECORD_KINDS
from aisecops_langchain.errors import AuditFormatError

_KIND: Final = re.compile(
    rb'\{"seq":[0-9]{1,16},"prev":"[0-9a-f]{64}",(?:"v":1,)?"kind":"([a-z_]{1,64})"(?:,"id":"([ !#-\[\]-~]{1,256})")?'
)


@dataclass(slots=True)
class Scan:
    """One pass over a log for events of some kinds.

    Args:
        path: A log directory, or one segment file.
        kinds: Tags of the events.
    """

    path: Path
    kinds: Collection[str]
    unreadable: int = 0
    """Lines met so far that are torn or make no sense."""

    def __iter__(self) -> Iterator[dict[str, JsonValue]]:
        """Yield the events as plain JSON, each id once, segment by segment.

        Yields:
            The fields of one line, its place in the chain included; their shape is not checked.

        Raises:
            AuditFormatError: If there is no log at this path, or a file cannot be read.
        """
        for data in self.lines():
            fields = _fields(data)
            if fields is None or fields["kind"] not in self.kinds:
                self.unreadable += 1
            else:
                yield fields

    def lines(self) -> Iterator[bytes]:
        """Yield the lines of the events, each id once, segment by segment, without reading them whole.

        Yields:
            A line, without its newline, that begins as an event of these kinds, or is one; it may still be no JSON.

        Raises:
            AuditFormatError: If there is no log at this path, or a file cannot be read.
        """
        wanted = frozenset(kind.encode() for kind in self.kinds)
        seen: set[int] = set()  # hashes of ids: a million of them must fit in memory
        for segment in _segments(self.path):
            for _, data, complete in iter_lines(segment):
                place = _KIND.match(data)
                if place is not None and complete and place[1] not in wanted:
                    continue
                name = hash(place[2]) if place is not None and place[2] and complete else self._name(data, complete)
                if name is not None and name not in seen:
                    seen.add(name)
                    yield data

    def _name(self, data: bytes, complete: bool) -> int | None:  # noqa: FBT001 - the two belong together
        """Hash the id of a line that does not tell it at its beginning; count the line if it makes no sense."""
        fields = _fields(data) if complete else None
        if fields is None:
            self.unreadable += 1
            return None
        if fields["kind"] not in self.kinds:
            self.unreadable += _KIND.match(data) is None and fields["kind"] not in RECORD_KINDS
            return None
        identity = fields.get("id")
        if not isinstance(identity, str):
            self.unreadable += 1
            return None
        return hash(identity.encode("utf-8", "surrogatepass"))


def _segments(path: Path) -> list[Path]:
    found = segment_paths(path) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise AuditFormatError(
            f"no audit log at {path.name or path}",
            expected="a directory with segments, or one segment file",
            got="nothing that can be read",
            remedy="check the path",
        )
    return found


def _fields(data: bytes) -> dict[str, JsonValue] | None:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        return None
    return cast("dict[str, JsonValue]", found)
