"""The sidecar of one segment as its writer sees it: which heads are signed, and which are due.

Invariant: heads are signed in the order of the lines. One that was due and could not be written stays owed, and its
writer adds no further line until it is there, so that the unsigned tail stays short.
"""

from __future__ import annotations

from typing import Final

from aisecops_langchain.audit.chain import ChainedFile, Tip
from aisecops_langchain.audit.heads import HeadSigner
from aisecops_langchain.audit.layout import to_datetime

HEAD_EVERY_LINES: Final = 1000
HEAD_EVERY_NS: Final = 1_000_000_000
"""A head is due after so many lines, and at the first line after so long."""


class Sidecar:
    """Signs the heads of one segment; the caller serialises all calls.

    Args:
        segment: Name of the segment.
        file: The empty sidecar; this object owns it from now on.
        signer: Who signs.
    """

    def __init__(self, segment: str, file: ChainedFile, signer: HeadSigner) -> None:
        self._segment = segment
        self._file = file
        self._signer = signer
        self._signed_lines = 0
        self._signed_at = 0
        self._owed = False

    def sign(self, tip: Tip, now: int) -> None:
        """Swear to a tip, unless a later one is sworn to already.

        Args:
            tip: The state of the segment.
            now: Nanoseconds since the Unix epoch.

        Raises:
            AuditWriteError: If the head cannot be written.
        """
        if tip.lines <= self._signed_lines:
            return
        self._owed = True
        line = self._signer.head_line(
            segment=self._segment,
            seq=tip.lines - 1,
            head=tip.head,
            size=tip.size,
            time=to_datetime(now),
            previous=self._file.tip.head,
        )
        self._file.append(line)
        self._signed_lines, self._signed_at, self._owed = tip.lines, now, False

    def sign_if_due(self, tip: Tip, now: int) -> None:
        """Swear to a tip if the last head is too old.

        Args:
            tip: The state of the segment.
            now: Nanoseconds since the Unix epoch.

        Raises:
            AuditWriteError: If the head is due and cannot be written.
        """
        elapsed = now - self._signed_at
        # A clock that was set back would otherwise put off the next head for as long as it lags behind.
        if tip.lines - self._signed_lines >= HEAD_EVERY_LINES or not 0 <= elapsed < HEAD_EVERY_NS:
            self.sign(tip, now)

    def settle(self, tip: Tip, now: int) -> None:
        """Sign what is still owed from an earlier failure.

        Args:
            tip: The state of the segment.
            now: Nanoseconds since the Unix epoch.

        Raises:
            AuditWriteError: If it still cannot be written.
        """
        if self._owed:
            self.sign(tip, now)

    def sync(self) -> None:
        """Make the heads survive a loss of power.

        Raises:
            AuditWriteError: If the system cannot promise it.
        """
        self._file.sync()

    def close(self) -> None:
        """Give the file back."""
        self._file.close()
