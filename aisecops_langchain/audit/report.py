"""What a verification says.

Invariant: ``ok`` is true only if at least one segment was checked and nothing at all is wrong. Warnings are what an
honest crash also leaves behind; they are never the only sign of a change to an event that was signed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aisecops_langchain.domain.base import Frozen

MAX_PROBLEMS: Final = 100
"""Problems listed for each segment; a file of garbage must not fill the memory of its verifier."""


class Code(StrEnum):
    """What can be wrong with a log."""

    NO_LOG = "no_log"
    """There is nothing to verify."""
    UNREADABLE = "unreadable"
    """A file cannot be read."""
    MALFORMED = "malformed"
    """A line is not an event or record of this schema."""
    CHAIN = "chain"
    """A line does not name the hash of the line before it: something was changed, removed, inserted or moved."""
    SEQUENCE = "sequence"
    """A line has the wrong number."""
    NO_HEADER = "no_header"
    """A segment does not begin with its opening record."""
    RENAMED = "renamed"
    """A file bears another name than the one inside it."""
    AFTER_CLOSE = "after_close"
    """Something follows the closing record."""
    TAIL_CUT = "tail_cut"
    """A signed head covers more than the file holds."""
    HEAD_MISMATCH = "head_mismatch"
    """A signed head says something else than the file."""
    HEADS_MISSING = "heads_missing"
    """The sidecar is gone, or it signs nothing of what it should."""
    HEAD_MALFORMED = "head_malformed"
    """A line of the sidecar is not a signed head of this segment."""
    HEAD_SIGNATURE = "head_signature"
    """A signature does not hold."""
    HEAD_CHAIN = "head_chain"
    """Heads were removed, inserted or moved."""
    CLOSE_UNSIGNED = "close_unsigned"
    """A segment claims to be closed and no head covers its end. A warning where heads cover everything but the closing
    record itself, as when its writer was killed just then; no event is in doubt, and the segment counts as open."""
    UNKNOWN_KEY = "unknown_key"
    """A head is signed by a key that is not among those trusted, or not by the segment's own."""
    BAD_KEY = "bad_key"
    """A public key is malformed, or is not the key of its name."""
    SEGMENT_MISSING = "segment_missing"
    """A segment is gone that others, or its own heads, speak of."""
    REFERENCE_MISMATCH = "reference_mismatch"
    """A later segment recorded another state of this one."""
    ANCHOR_MISMATCH = "anchor_mismatch"
    """The log does not contain the head that was kept elsewhere."""
    GROWN = "grown"
    """Lines were added after a later segment had recorded that this one had ended."""
    TORN_TAIL = "torn_tail"
    """Warning: the last line is incomplete; its writer died, or is writing it just now."""
    UNSIGNED_TAIL = "unsigned_tail"
    """Warning: the last lines of an open segment are chained, but no head covers them."""
    EMPTY_SEGMENT = "empty_segment"
    """Warning: a writer died before it could write its first line."""
    TOO_MANY = "too_many"
    """The list of problems was cut."""


class Problem(Frozen):
    """One finding."""

    code: Code
    segment: str
    """Name of the segment, or empty for the log as a whole."""
    seq: int | None = None
    """Number of the line, where there is one."""
    message: str


class SegmentReport(Frozen):
    """The findings about one segment."""

    name: str
    ok: bool
    events: int
    """Events, the segment's own records not counted."""
    closed: bool
    """Whether its last line is a closing record that a valid head covers."""
    seq: int
    """Number of the last line, or -1."""
    head: str
    """Hash of the last line."""
    signed_seq: int
    """Number of the last line that a valid head covers, or -1."""
    signers: tuple[str, ...] = ()
    """Ids of the keys whose signatures hold."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


class VerifyReport(Frozen):
    """The findings about a whole log."""

    ok: bool
    events: int
    keys_pinned: bool
    """Whether the keys came from the caller; keys found beside the log prove consistency, not who wrote it."""
    signers: tuple[str, ...] = ()
    """Ids of all keys whose signatures hold: several where a key was replaced, or where logs were put together."""
    segments: tuple[SegmentReport, ...]
    problems: tuple[Problem, ...]
    """Those of all segments and of the log as a whole."""
    warnings: tuple[Problem, ...]


class Findings:
    """Collects the problems and warnings of one segment.

    Args:
        segment: Its name, or empty for the log as a whole.
    """

    def __init__(self, segment: str) -> None:
        self._segment = segment
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, code: Code, message: str, *, seq: int | None = None, segment: str | None = None) -> None:
        """Note that something is wrong.

        Args:
            code: What.
            message: The same for people.
            seq: Number of the line.
            segment: Another segment than the collector's own.
        """
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(self._finding(code, message, seq, segment))
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append(self._finding(Code.TOO_MANY, "further problems are not listed", None, None))

    def warning(self, code: Code, message: str, *, seq: int | None = None, segment: str | None = None) -> None:
        """Note something that an honest crash can explain.

        Args:
            code: What.
            message: The same for people.
            seq: Number of the line.
            segment: Another segment than the collector's own.
        """
        self.warnings.append(self._finding(code, message, seq, segment))

    def _finding(self, code: Code, message: str, seq: int | None, segment: str | None) -> Problem:
        return Problem(code=code, segment=self._segment if segment is None else segment, seq=seq, message=message)
