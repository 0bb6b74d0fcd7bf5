"""Checking one segment against its own chain, its signed heads and what others recorded about it.

Invariant: every byte of the file is under a hash that was compared with something signed, or it is reported: as a
problem, or, behind the last head of a segment that was not closed under one, as a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aisecops_langchain.audit.layout import heads_path
from aisecops_langchain.audit.lines import GENESIS, RawLine, hash_line, iter_lines, place_of
from aisecops_langchain.audit.records import SegmentClosed, SegmentOpened
from aisecops_langchain.audit.report import Code, Findings, SegmentReport
from aisecops_langchain.audit.sound import SoundEvents
from aisecops_langchain.audit.verify_heads import SignedPoint, check_heads
from aisecops_langchain.errors import AuditFormatError

_ATTEMPTS: Final = 3
"""A living writer may open or close the segment between the reading of its heads and of its lines: look again then."""


class Claim(NamedTuple):
    """What somebody recorded about a segment."""

    seq: int
    head: str
    ended: bool
    code: Code
    """The problem that it is if the segment says otherwise."""
    by: str
    """Who recorded it."""


def check_segment(path: Path, keys: Mapping[str, bytes], claims: Sequence[Claim]) -> SegmentReport:
    """Check one segment.

    Args:
        path: The segment file.
        keys: Trusted public keys by key id.
        claims: What later segments and kept anchors say about it.

    Returns:
        Its report.
    """
    for _ in range(_ATTEMPTS):
        sizes = _sizes(path)
        report = _check_once(path, keys, claims)
        if report.ok or sizes == _sizes(path):
            break
    return report


def _check_once(path: Path, keys: Mapping[str, bytes], claims: Sequence[Claim]) -> SegmentReport:
    check = _SegmentCheck(path, keys, claims)
    try:
        check.run()
    except AuditFormatError as error:
        check.findings.problem(Code.UNREADABLE, error.message)
    return check.report()


def _sizes(path: Path) -> list[int]:
    return [file.stat().st_size for file in (path, heads_path(path)) if file.exists()]


class _SegmentCheck:
    """State of one pass over one segment."""

    def __init__(self, path: Path, keys: Mapping[str, bytes], claims: Sequence[Claim]) -> None:
        self.findings = Findings(path.stem)
        self._path = path
        self._keys = keys
        self._sound = SoundEvents()
        self._unmet_claims = set(claims)
        self._ended_at = min((claim.seq for claim in claims if claim.ended), default=None)
        self._claims_at: dict[int, list[Claim]] = {}
        for claim in claims:
            self._claims_at.setdefault(claim.seq, []).append(claim)
        self._unmet_points: dict[int, SignedPoint] = {}
        self._header: SegmentOpened | None = None
        self._closed = False
        self._torn = False
        self._events = 0
        self._lines = 0
        self._seq = -1
        self._head = GENESIS
        self._signed_seq = -1
        self._signers: frozenset[str] = frozenset()

    def run(self) -> None:
        # Heads first: a living writer adds lines before heads, so what is read now can only lag behind the lines.
        signed = check_heads(self._path, self._keys, self.findings)
        self._signed_seq = signed.last_seq
        self._signers = signed.keys
        self._unmet_points = dict(signed.by_seq)
        for line in iter_lines(self._path):
            self._check_line(line)
        self._check_points_met()
        self._check_claims_met()
        self._check_header(signed.keys)
        self._check_end()

    def report(self) -> SegmentReport:
        return SegmentReport(
            name=self._path.stem,
            ok=not self.findings.problems,
            events=self._events,
            closed=self._closed and self._signed_seq >= self._seq,
            seq=self._seq,
            head=self._head,
            signed_seq=self._signed_seq,
            signers=tuple(sorted(self._signers)),
            problems=tuple(self.findings.problems),
            warnings=tuple(self.findings.warnings),
        )

    def _check_line(self, line: RawLine) -> None:
        if self._closed:
            self.findings.problem(Code.AFTER_CLOSE, "something follows the closing record", seq=self._seq + 1)
        if not line.complete:
            self._torn = True
            return
        self._lines += 1
        place = place_of(line.data)
        if place is None:
            self.findings.problem(Code.MALFORMED, "line has no place in the chain", seq=self._seq + 1)
            self._seq += 1
        else:
            self._check_place(*place)
            self._check_content(line.data)
        self._head = hash_line(line.data)
        self._check_sworn(line)

    def _check_place(self, seq: int, prev: str) -> None:
        if seq != self._seq + 1:
            self.findings.problem(Code.SEQUENCE, f"line {self._seq + 1} is numbered {seq}", seq=seq)
        if prev != self._head:
            self.findings.problem(Code.CHAIN, "line does not follow the line before it", seq=seq)
        self._seq = seq

    def _check_content(self, line: bytes) -> None:
        try:
            record = self._sound.read(line)
        except AuditFormatError as error:
            self.findings.problem(Code.MALFORMED, str(error), seq=self._seq)
            return
        if isinstance(record, SegmentOpened):
            if self._lines != 1:
                self.findings.problem(Code.MALFORMED, "opening record inside a segment", seq=self._seq)
            self._header = self._header or record
        elif isinstance(record, SegmentClosed):
            self._closed = True
            if record.segment != self._path.stem:
                self.findings.problem(Code.RENAMED, f"closing record is of {record.segment}", seq=self._seq)
        else:
            self._events += 1

    def _check_sworn(self, line: RawLine) -> None:
        """Compare a line with the head over it and with what others recorded about it."""
        point = self._unmet_points.pop(self._seq, None)
        if point is not None and (point.head, point.size) != (self._head, line.end):
            self.findings.problem(Code.HEAD_MISMATCH, "the signed head says otherwise", seq=self._seq)
        for claim in self._claims_at.get(self._seq, ()):
            if claim.head == self._head:
                self._unmet_claims.discard(claim)

    def _check_points_met(self) -> None:
        for seq in self._unmet_points:
            if seq > self._seq:
                self.findings.problem(Code.TAIL_CUT, f"the heads reach to line {seq}, the file to {self._seq}", seq=seq)
            else:
                self.findings.problem(Code.HEAD_MISMATCH, "a signed line is gone", seq=seq)

    def _check_claims_met(self) -> None:
        for claim in sorted(self._unmet_claims):
            self.findings.problem(claim.code, f"{claim.by} recorded another line {claim.seq}", seq=claim.seq)
        if self._ended_at is not None and self._seq > self._ended_at:
            self.findings.problem(Code.GROWN, f"it had ended at line {self._ended_at}", seq=self._seq)

    def _check_header(self, signers: frozenset[str]) -> None:
        if self._lines == 0:
            return
        if self._header is None:
            self.findings.problem(Code.NO_HEADER, "no opening record", seq=0)
            return
        if self._header.segment != self._path.stem:
            self.findings.problem(Code.RENAMED, f"opening record is of {self._header.segment}", seq=0)
        for signer in sorted(signers - {self._header.key_id}):
            self.findings.problem(Code.UNKNOWN_KEY, f"a head is signed by {signer}, not by the segment's own key")

    def _check_end(self) -> None:
        if self._torn:
            self.findings.warning(Code.TORN_TAIL, "the last line is incomplete", seq=self._seq + 1)
        if self._lines == 0:
            self.findings.warning(Code.EMPTY_SEGMENT, "the segment has no line")
        elif self._closed:
            self._check_close()
        elif self._signed_seq < 0 and self._lines > 1:
            self.findings.problem(Code.HEADS_MISSING, "no valid head covers any line")
        elif self._signed_seq < self._seq:
            count = self._seq - self._signed_seq
            self.findings.warning(Code.UNSIGNED_TAIL, f"{count} lines behind the last head", seq=self._signed_seq + 1)

    def _check_close(self) -> None:
        """A writer signs everything before it writes that it closes: only that last line may lack its head."""
        message = "no head covers the closing record"
        if self._signed_seq == self._seq - 1:
            self.findings.warning(Code.CLOSE_UNSIGNED, message, seq=self._seq)
        elif self._signed_seq < self._seq:
            self.findings.problem(Code.CLOSE_UNSIGNED, message, seq=self._seq)
