"""Keeps a roster in step with a log that grows.

Invariant: what is in the rows is what stands in the lines up to what is covered. Before anything is added, the last
line covered of every segment is compared with its hash; where it is not there any more, or a segment was changed that
did not grow, the roster begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.lines import MAX_LINE_BYTES, RawLine, iter_lines
from aisecops_langchain.audit.records import RECORD_KINDS
from aisecops_langchain.errors import AuditFormatError, IndexFaultError
from aisecops_langchain.forensics.roster.gathering import Gathering
from aisecops_langchain.forensics.roster.reading import Fields, part, parts, text
from aisecops_langchain.forensics.roster.store import Covered, Entry, Link, RosterFile
from aisecops_langchain.forensics.roster.takes import take
from aisecops_langchain.forensics.roster.telling import facets_of, figures_of, row_of

_BATCH: Final = 5_000
"""Lines that go into the rows at once."""


@dataclass(slots=True)
class Growth:
    """What one batch added."""

    segment: str
    lines: int = 0
    """Whole lines, whatever they say."""
    kinds: set[str] = field(default_factory=set)
    """Kinds of the events among them."""
    runs: dict[str, frozenset[str]] = field(default_factory=dict)
    """Runs that they are of, and the organisations that each touches."""


class _Line(NamedTuple):
    fields: Fields
    data: bytes


class Roster:
    """The roster of one log.

    Args:
        log: The log directory.
        folder: Where the roster lies; made if missing, and readable by its owner only.

    Raises:
        IndexFaultError: If it cannot be made.
    """

    def __init__(self, log: Path, folder: Path) -> None:
        self._log = log
        self._path = folder / "roster.sqlite3"
        self.rebuilt = 0
        """How often the roster was found to be of another log, or damaged, and begun anew."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise IndexFaultError("the roster cannot be made", expected="a folder", got=type(error).__name__) from error
        try:
            self.file = RosterFile(self._path)
        except IndexFaultError:
            self._anew()

    def update(self) -> Iterator[Growth]:
        """Take in what was added to the log since the last time.

        Only one thread, of one process, may update a roster at a time; any may ask it meanwhile.

        Yields:
            What each batch of lines added, once it is kept.

        Raises:
            AuditFormatError: If a segment cannot be read.
            IndexFaultError: If the roster cannot be kept.
        """
        covered = self._covered()
        for path in segment_paths(self._log):
            before = covered.get(path.stem)
            lines = iter_lines(path, start=before.size if before is not None else 0)
            while batch := list(islice(_whole(lines), _BATCH)):
                growth, before = self._take(path.stem, batch, before)
                yield growth
            self._note_time(path, before)

    def unreadable(self) -> int:
        """Count the lines that are no events."""
        return sum(place.unreadable for place in self.file.covered().values())

    def behind(self) -> int:
        """Count the bytes of the log that are not in the rows yet."""
        covered = self.file.covered()
        sizes = {path.stem: path.stat().st_size for path in segment_paths(self._log)}
        return sum(max(0, size - covered[name].size if name in covered else size) for name, size in sizes.items())

    def _covered(self) -> dict[str, Covered]:
        """Say what is covered; begin anew where the log is not the one that was covered, or the file is damaged."""
        try:
            covered = self.file.covered()
        except IndexFaultError:
            covered = None
        if covered is not None and all(
            _is_there(self._log / f"{name}.jsonl", place) for name, place in covered.items()
        ):
            return covered
        self._anew()
        return {}

    def _note_time(self, path: Path, covered: Covered | None) -> None:
        """Note when a segment that is covered whole was changed last; that tells a later change of its middle."""
        found = path.stat()
        if covered is not None and found.st_size == covered.size and found.st_mtime_ns != covered.modified:
            self.file.extend((), (), {path.stem: covered._replace(modified=found.st_mtime_ns)})

    def _anew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self.rebuilt += 1
        self.file = RosterFile(self._path)

    def _take(self, segment: str, batch: list[RawLine], before: Covered | None) -> tuple[Growth, Covered]:
        growth, unreadable = Growth(segment, lines=len(batch)), before.unreadable if before is not None else 0
        events: list[_Line] = []
        for line in batch:
            fields = _fields(line)
            if fields is None:
                unreadable += 1
            elif fields["kind"] not in RECORD_KINDS:
                events.append(_Line(fields, line.data))
        runs = self._taken_up(events)
        touched: set[str] = set()
        links: list[Link] = []
        for event in events:
            try:
                trace = str(event.fields["trace"])
                if take(runs[trace], event.fields):
                    touched.add(trace)
                    growth.kinds.add(str(event.fields["kind"]))
                    links.extend(_links(trace, event))
            except AuditFormatError:
                unreadable += 1
        last = batch[-1]
        after = Covered(last.end, last.offset, len(last.data), sha256(last.data).hexdigest(), unreadable)
        self.file.extend((_entry(runs[trace]) for trace in touched), links, {segment: after})
        growth.runs = {trace: frozenset(runs[trace].tenants or {runs[trace].scope()[3]}) for trace in touched}
        return growth, after

    def _taken_up(self, events: list[_Line]) -> dict[str, Gathering]:
        traces = list(dict.fromkeys(str(event.fields["trace"]) for event in events))
        kept = self.file.gathered(traces)
        return {trace: Gathering.from_bytes(kept[trace]) if trace in kept else Gathering(trace) for trace in traces}


def _whole(lines: Iterator[RawLine]) -> Iterator[RawLine]:
    """Leave out a line that is still being written."""
    for line in lines:
        if line.complete or len(line.data) >= MAX_LINE_BYTES:
            yield line


def _fields(line: RawLine) -> Fields | None:
    try:
        found = orjson.loads(line.data) if line.complete else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        return None
    if found["kind"] not in RECORD_KINDS and not isinstance(found.get("trace"), str):
        return None
    return found


def _entry(run: Gathering) -> Entry:
    row, figures = row_of(run).model_dump_json(), figures_of(run).model_dump_json()
    return Entry(run.trace, run.begun, len(run.ids), row, figures, run.to_bytes(), frozenset(facets_of(run)))


def _links(trace: str, event: _Line) -> Iterator[Link]:
    if event.fields["kind"] == "warrant_issued":
        yield Link(text(event.fields, "warrant"), trace, "issued", event.data)
    delegators = parts(part(event.fields, "principal"), "delegators")
    if delegators:
        yield Link(text(delegators[-1], "warrant"), trace, "acted", event.data)


def _is_there(path: Path, covered: Covered) -> bool:
    """Whether the last line covered of a segment is still where it was, and nothing before it was seen to change."""
    try:
        now = path.stat()
        if covered.modified and now.st_size == covered.size and now.st_mtime_ns != covered.modified:
            return False
        with path.open("rb") as file:
            file.seek(covered.place)
            return sha256(file.read(covered.length)).hexdigest() == covered.digest
    except OSError:
        return False
