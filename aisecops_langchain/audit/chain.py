"""A file that only grows, by whole lines, under a running SHA-256.

Invariant: ``tip`` describes exactly the lines that are wholly in the file. A write that fails, falls short or is
interrupted is cut back before anything else is written; where that is impossible, or a sync failed (after which the
kernel may have dropped the pages and would report success the next time), the file accepts nothing any more.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.audit.lines import GENESIS, hash_line, join_line
from aisecops_langchain.errors import AuditWriteError

if sys.platform == "darwin":
    _sync_data = os.fsync
else:
    _sync_data = os.fdatasync

_REMEDY: Final = "free space on the disk or repair it, then open a new log"


class Tip(NamedTuple):
    """The end of a chained file."""

    lines: int
    """How many lines there are; the last one's number is one less."""
    head: str
    """Hash of the last line."""
    size: int
    """Bytes, newlines included."""


class ChainedFile:
    """One open chained file; the caller serialises ``append``, while ``sync`` may run beside it.

    Args:
        descriptor: An empty file, opened for appending; this object owns it from now on.
        name: What to call it in errors.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._unsure = False
        self._broken: str | None = None
        self.tip = Tip(0, GENESIS, 0)
        self.sync_count = 0

    @classmethod
    def create(cls, path: Path) -> ChainedFile:
        """Make a new file, readable by its owner only.

        Args:
            path: A path that does not exist yet.

        Returns:
            The empty file.

        Raises:
            OSError: If it cannot be made, or exists.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return cls(os.open(path, flags, 0o600), path.name)

    def lock(self) -> None:
        """Mark the file as being written by a living process, until it is closed.

        Raises:
            OSError: If another process holds it.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def append(self, line: bytes) -> Tip:
        """Add one line in one write.

        Args:
            line: The bytes, without the newline and without any inside.

        Returns:
            The new tip.

        Raises:
            AuditWriteError: If the line is not wholly in the file; then nothing of it is.
        """
        size = self.tip.size + len(line) + 1
        return self._put(line + b"\n", Tip(self.tip.lines + 1, hash_line(line), size))

    def extend(self, bodies: Iterable[bytes]) -> list[str]:
        """Chain JSON objects behind each other and add them in one write.

        Args:
            bodies: Each with at least one member, without newlines.

        Returns:
            The hashes of their lines.

        Raises:
            AuditWriteError: If they are not all wholly in the file; then nothing of them is.
        """
        count, head, size = self.tip
        lines: list[bytes] = []
        heads: list[str] = []
        for body in bodies:
            line = join_line(count, head, body)
            head = hash_line(line)
            count += 1
            heads.append(head)
            lines.append(line)
        lines.append(b"")  # so that a newline ends the last line too
        data = b"\n".join(lines)
        self._put(data, Tip(count, head, size + len(data)))
        return heads

    def _put(self, data: bytes, tip: Tip) -> Tip:
        self.require_sound()
        if self._unsure:
            self._settle()
        self._unsure = True
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            self._settle()
            raise self._failure("cannot be written", type(error).__name__, error.errno) from error
        if written != len(data):
            self._settle()
            raise self._failure("could not take a whole line", f"{written} of {len(data)} bytes", None)
        self.tip = tip
        self._unsure = False
        return tip

    def sync(self) -> None:
        """Make all lines survive a loss of power.

        Raises:
            AuditWriteError: If the system cannot promise it; the file is unusable from then on.
        """
        self.require_sound()
        self.sync_count += 1
        try:
            _sync_data(self._descriptor)
        except OSError as error:
            self._broken = "a sync failed"
            raise self._failure("cannot be made durable", type(error).__name__, error.errno) from error

    def require_sound(self) -> None:
        """Refuse to go on after a failure that left the file in doubt.

        Raises:
            AuditWriteError: If there was one.
        """
        if self._broken is not None:
            raise self._failure("is unusable since an earlier failure", self._broken, None)

    def close(self) -> None:
        """Give the file and its lock back; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _settle(self) -> None:
        """Cut off what a failed or interrupted write left behind the last whole line."""
        try:
            os.ftruncate(self._descriptor, self.tip.size)
        except OSError as error:
            self._broken = "a partial line could not be cut off"
            raise self._failure("is damaged", type(error).__name__, error.errno) from error
        self._unsure = False

    def _failure(self, what: str, got: str, number: int | None) -> AuditWriteError:
        detail = got if number is None else f"{got} ({os.strerror(number)})"
        return AuditWriteError(f"audit file {self._name} {what}", expected="a whole line", got=detail, remedy=_REMEDY)
