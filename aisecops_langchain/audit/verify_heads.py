"""Checking the sidecar of one segment.

Invariant: a head counts only if it is canonical, belongs to this segment, continues the chain of heads and bears a
valid signature of a trusted key. A head that does not count covers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aisecops_langchain.audit.heads import SignedHead, parse_head, signature_holds
from aisecops_langchain.audit.layout import heads_path, is_regular
from aisecops_langchain.audit.lines import GENESIS, hash_line, iter_lines
from aisecops_langchain.audit.report import Code, Findings
from aisecops_langchain.errors import AuditFormatError


class SignedPoint(NamedTuple):
    """What a head swears about one line."""

    head: str
    size: int


class SignedPoints(NamedTuple):
    """All that the valid heads of a segment swear."""

    by_seq: dict[int, SignedPoint]
    keys: frozenset[str]
    """Ids of the keys that signed."""

    @property
    def last_seq(self) -> int:
        """Number of the last line covered, or -1."""
        return max(self.by_seq, default=-1)


def check_heads(segment: Path, keys: Mapping[str, bytes], findings: Findings) -> SignedPoints:
    """Read the sidecar of a segment and check every head.

    Args:
        segment: The segment file.
        keys: Trusted public keys by key id.
        findings: Where problems go.

    Returns:
        What the valid heads swear.
    """
    path = heads_path(segment)
    by_seq: dict[int, SignedPoint] = {}
    signers: set[str] = set()
    if not is_regular(path):
        findings.problem(Code.HEADS_MISSING, f"{path.name} is missing")
        return SignedPoints(by_seq, frozenset())
    previous = GENESIS
    last_seq = -1
    for line in iter_lines(path):
        if not line.complete:
            findings.warning(Code.TORN_TAIL, "the last signed head is incomplete")
            continue
        head = _checked(line.data, segment.stem, keys, findings)
        if head is not None:
            if head.previous != previous or head.seq < last_seq:
                findings.problem(Code.HEAD_CHAIN, "a signed head does not follow the one before it", seq=head.seq)
            last_seq = head.seq
            signers.add(head.key_id)
            by_seq[head.seq] = SignedPoint(head.head, head.bytes)
        previous = hash_line(line.data)
    return SignedPoints(by_seq, frozenset(signers))


def _checked(line: bytes, segment: str, keys: Mapping[str, bytes], findings: Findings) -> SignedHead | None:
    try:
        head = parse_head(line)
    except AuditFormatError as error:
        findings.problem(Code.HEAD_MALFORMED, error.message)
        return None
    if head.segment != segment:
        findings.problem(Code.HEAD_MALFORMED, "a signed head is of another segment", seq=head.seq)
        return None
    public = keys.get(head.key_id)
    if public is None:
        findings.problem(Code.UNKNOWN_KEY, f"key {head.key_id} is not among the trusted keys", seq=head.seq)
        return None
    if not signature_holds(line, head, public):
        findings.problem(Code.HEAD_SIGNATURE, "the signature of a head does not hold", seq=head.seq)
        return None
    return head
