"""One run of a log by the byte offsets of its lines.

Invariant: what ``lines`` returns is what a scan of a log that verifies finds. Each segment is pinned by its size and
the hash of its last line, which pins all before it, each line by its own hash. When anything does not match, the index
is made anew from the log.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import orjson

from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.lines import MAX_LINE_BYTES, iter_lines
from aisecops_langchain.errors import AuditFormatError, IndexFaultError
from aisecops_langchain.forensics.index.store import IndexFile
from aisecops_langchain.keyfile import load_or_create_key
from aisecops_langchain.sealing import Sealer

_MOST_PARTS: Final = 256
"""Each time that the log has grown adds a part; beyond so many the index is made anew as one."""

_ENTRY: Final = struct.Struct(">IQI32s")
"""Number of the segment, offset and length of the line in bytes, SHA-256 of the line."""


class LocatedLine(NamedTuple):
    """A line and its place."""

    segment: str
    """Name of the segment, without suffix."""
    offset: int
    """Where the line begins in it, in bytes."""
    data: bytes
    """The exact line, without the newline."""


class _Covered(NamedTuple):
    """How far a segment is indexed."""

    size: int
    last: tuple[int, int, str]
    """Offset, length and hash of the last line covered."""


class TraceIndex:
    """An index over one log, kept in a folder of its own.

    Args:
        log: The log directory.
        folder: Where the index and its key lie; made if missing, and readable by its owner only.

    Raises:
        KeyStoreError: If the key is damaged or open to others.
        IndexFaultError: If the index cannot be made.
    """

    def __init__(self, log: Path, folder: Path) -> None:
        self._log = log
        self._sealer = Sealer(load_or_create_key(folder / "index.key"))
        self._path = folder / "index.sqlite3"
        self.rebuilt = 0
        """How often the index was found to be stale or false, and made anew."""
        self._open()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def lines(self, trace: str) -> list[bytes]:
        """Read the lines of one run.

        Args:
            trace: The run.

        Returns:
            Its exact lines, segment by segment; empty if the log has none.

        Raises:
            AuditFormatError: If a segment cannot be read.
            IndexFaultError: If the index cannot be made anew.
        """
        return [line.data for line in self.located(trace)]

    def located(self, trace: str) -> list[LocatedLine]:
        """Read the lines of one run with their places; arguments, order and errors are those of ``lines``."""
        try:
            self._update()
            return self._indexed(trace)
        except IndexFaultError:
            self._rebuild()
            return self._indexed(trace)

    def _open(self) -> None:
        try:
            self._file = IndexFile(self._path, self._sealer)
        except IndexFaultError:
            self._path.unlink(missing_ok=True)
            self.rebuilt += 1
            self._file = IndexFile(self._path, self._sealer)

    def _rebuild(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)
        self.rebuilt += 1
        self._file = IndexFile(self._path, self._sealer)
        self._update()

    def _update(self) -> None:
        """Cover what was added to the log; raise if what was covered is not there any more."""
        paths = {path.stem: path for path in segment_paths(self._log)}
        names, covered, parts = self._state()
        for name in names:
            if name not in paths or not _still_ends(paths[name], covered[name]):
                raise IndexFaultError("the log is not the one that was indexed", got=name)
        sizes = {name: place.size for name, place in covered.items()}
        grown = [path for name, path in paths.items() if path.stat().st_size > sizes.get(name, 0)]
        added: defaultdict[str, bytearray] = defaultdict(bytearray)
        changed = False
        for path in grown:
            if path.stem not in covered:
                names.append(path.stem)
            before = covered.get(path.stem)
            after = _index(path, names.index(path.stem), before, added)
            changed = changed or after != before
            if after is not None:
                covered[path.stem] = after
            elif before is None:
                names.remove(path.stem)
        if changed:
            self._store(added, names, covered, parts)

    def _store(
        self, added: Mapping[str, bytearray], names: list[str], covered: Mapping[str, _Covered], parts: int
    ) -> None:
        if parts >= _MOST_PARTS:
            raise IndexFaultError("the index is in too many parts", expected=f"at most {_MOST_PARTS}")
        state = {"names": names, "covered": {name: list(place) for name, place in covered.items()}, "parts": parts + 1}
        self._file.extend(parts, {trace: bytes(lines) for trace, lines in added.items()}, orjson.dumps(state))

    def _state(self) -> tuple[list[str], dict[str, _Covered], int]:
        data = self._file.state()
        if data is None:
            return [], {}, 0
        state = orjson.loads(data)  # under our seal, so it is what we wrote
        covered = {name: _Covered(size, (last[0], last[1], last[2])) for name, (size, last) in state["covered"].items()}
        return list(state["names"]), covered, int(state["parts"])

    def _indexed(self, trace: str) -> list[LocatedLine]:
        names, _, parts = self._state()
        entries = b"".join(self._file.parts(trace, parts))
        found: list[LocatedLine] = []
        with _Segments(self._log) as segments:
            for segment, offset, length, digest in _ENTRY.iter_unpack(entries):
                line = LocatedLine(names[segment], offset, segments.read(names[segment], offset, length))
                if _digest(line.data) != digest:
                    raise IndexFaultError("a line is not the one that was indexed", got=line.segment)
                found.append(line)
        return found


class _Segments:
    """Reads pieces of segments; the last one stays open, since most of a run lies in a row.

    Args:
        log: The log directory.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._name = ""
        self._file: BinaryIO | None = None

    def __enter__(self) -> _Segments:
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Read a piece of a segment; raises ``AuditFormatError`` if that cannot be done."""
        try:
            if self._file is None or name != self._name:
                self._close()
                self._name, self._file = name, (self._log / f"{name}.jsonl").open("rb")
            self._file.seek(offset)
            return self._file.read(length)
        except OSError as error:
            raise AuditFormatError(f"{name} cannot be read", got=type(error).__name__) from error

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _index(path: Path, number: int, before: _Covered | None, added: defaultdict[str, bytearray]) -> _Covered | None:
    """Add the lines behind what is covered already."""
    after = before
    for line in iter_lines(path, start=before.size if before is not None else 0):
        if not line.complete:
            if len(line.data) < MAX_LINE_BYTES:
                break
            continue
        digest = _digest(line.data)
        after = _Covered(line.end, (line.offset, len(line.data), digest.hex()))
        trace = _trace(line.data)
        if trace is not None:
            added[trace] += _ENTRY.pack(number, line.offset, len(line.data), digest)
    return after


def _still_ends(path: Path, covered: _Covered) -> bool:
    offset, length, digest = covered.last
    return _digest(_read(path, offset, length)).hex() == digest


def _read(path: Path, offset: int, length: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise AuditFormatError(f"{path.name} cannot be read", got=type(error).__name__) from error


def _digest(line: bytes) -> bytes:
    return sha256(line).digest()


def _trace(line: bytes) -> str | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    trace = found.get("trace") if isinstance(found, dict) else None
    return trace if isinstance(trace, str) else None
