"""Watches over the log: verifies it, follows it, and verifies it again.

Invariant: reading and answering never wait for a verification. Every added line is compared with the line before it as
soon as it is seen; what was covered before is verified again after any change that is not growth, and from time to time
while the log grows, so that verifying takes a small share of the machine.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

from aisecops_langchain.audit import VerifyReport, verify_log
from aisecops_langchain.audit.follow import Follower
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.errors import AuditFormatError
from aisecops_langchain.web.standing import CHECKING, Standing, standing_of

_LEAST_PAUSE_SECONDS: Final = 5.0
_SHARE: Final = 20
"""A verification that took one second is not made again for that many, if the log does nothing but grow."""
_MOST_ALARMS: Final = 20


class _File(NamedTuple):
    """What tells whether a file was changed."""

    inode: int
    size: int
    modified: int


class Checking:
    """Knows how far one log can be trusted.

    Args:
        log: The log directory.
        public_keys: Trusted public keys by key id; those beside the log if not given.
    """

    def __init__(self, log: Path, *, public_keys: Mapping[str, bytes] | None = None) -> None:
        self._log = log
        self._keys = public_keys
        self._lock = threading.Lock()
        self._report: VerifyReport | None = None
        self._at = datetime.now(UTC)
        self._alarms: tuple[str, ...] = ()
        self._again = False
        self._follower: Follower | None = None
        self._files: dict[str, _File] = {}
        self._changed = True
        self._next = 0.0

    def standing(self, *, unreadable: int) -> Standing:
        """Say how far the log can be trusted.

        Args:
            unreadable: Lines that are no events.

        Returns:
            Its standing.
        """
        with self._lock:
            if self._report is None:
                return CHECKING
            return standing_of(self._report, at=self._at, unreadable=unreadable, alarms=self._alarms, again=self._again)

    def report(self) -> VerifyReport | None:
        """Return the last verification; None while there was none yet."""
        with self._lock:
            return self._report

    def look(self) -> bool:
        """Look at the log once, and verify it where that is due; one thread at a time.

        Returns:
            Whether its standing may have changed.
        """
        before = (self._report, self._alarms, self._again)
        self._compare()
        self._follow()
        if self._report is None or self._again or (self._changed and monotonic() >= self._next):
            self._verify()
        return before != (self._report, self._alarms, self._again)

    def _compare(self) -> None:
        """See from the files' own data whether one was written anew rather than added to."""
        files = {path.name: _look_at(path) for path in segment_paths(self._log)}
        rewritten = any(_is_rewritten(self._files[name], file) for name, file in files.items() if name in self._files)
        self._changed = self._changed or files != self._files
        self._files = files
        if rewritten:
            with self._lock:
                self._again = self._report is not None

    def _follow(self) -> None:
        if self._follower is None:
            self._follower = Follower(self._log)
            return
        try:
            faults = [f"{entry.segment}: {entry.error.message}" for entry in self._follower.poll() if entry.error]
        except AuditFormatError as error:
            faults = [error.message]
        if faults:
            with self._lock:
                self._alarms = tuple(dict.fromkeys((*self._alarms, *faults)))[:_MOST_ALARMS]
                self._again = True

    def _verify(self) -> None:
        self._changed = False
        began, at = monotonic(), datetime.now(UTC)
        report = verify_log(self._log, public_keys=self._keys)
        ended = monotonic()
        self._next = ended + max(_LEAST_PAUSE_SECONDS, _SHARE * (ended - began))
        with self._lock:
            self._report, self._at, self._again = report, at, False


def _look_at(path: Path) -> _File:
    try:
        found = path.stat()
    except OSError:
        return _File(0, 0, 0)
    return _File(found.st_ino, found.st_size, found.st_mtime_ns)


def _is_rewritten(before: _File, now: _File) -> bool:
    grown = now.inode == before.inode and now.size > before.size
    return now != before and not grown
