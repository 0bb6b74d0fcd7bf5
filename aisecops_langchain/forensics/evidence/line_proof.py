"""What vouches for one line of a log: its neighbours in the chain, and the first signed head that covers it.

Invariant: nothing is taken from an index or an earlier verification; the files are read as they are now. A proof of one
line says nothing about the rest of the log, which ``verify_log`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime

from aisecops_langchain.audit.heads import PUBLIC_KEY_BYTES, SignedHead, key_id_of, parse_head, signature_holds
from aisecops_langchain.audit.layout import KEY_SUFFIX, KEYS, heads_path, is_regular, segment_path
from aisecops_langchain.audit.lines import GENESIS, MAX_LINE_BYTES, RawLine, hash_line, iter_lines, split_line
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import AuditFormatError

_MOST_LINES: Final = 20_000
"""So far the chain is followed from a line to a head; a writer signs one every thousand lines."""
_KEY_TEXT: Final = re.compile(rb"[0-9a-f]{64}\n")


class Signature(StrEnum):
    """What became of the signature of a head."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN_KEY = "unknown_key"
    """The key is not among those trusted, or not beside the log."""


class CoveringHead(Frozen):
    """The first signed head that covers a line."""

    seq: int
    """Number of the last line that it covers."""
    time: AwareDatetime
    key_id: str
    signature: Signature
    reached: bool
    """Whether the chain leads from the line to exactly what the head swears to."""


class LineProof(Frozen):
    """What vouches for one line."""

    segment: str
    seq: int
    offset: int
    """Where the line begins in its segment, in bytes."""
    sha256: str
    """Of the exact line, newline excluded."""
    prev: str
    """What the line names as the hash of the line before it."""
    follows: bool
    """Whether the line before it has that hash."""
    followed: bool | None
    """Whether the line after it names its hash; None for the last line."""
    head: CoveringHead | None
    """None where nothing that is signed covers the line yet."""

    @property
    def holds(self) -> bool:
        """Whether chain and signature vouch for the line."""
        signed = self.head is not None and self.head.reached and self.head.signature is Signature.VALID
        return self.follows and self.followed is not False and signed


def prove_line(log: Path, *, segment: str, offset: int, public_keys: Mapping[str, bytes] | None = None) -> LineProof:
    """Look what vouches for a line.

    Args:
        log: The log directory.
        segment: Name of the segment.
        offset: Where the line begins in it, in bytes.
        public_keys: Trusted public keys, 32 raw bytes each, by key id; those beside the log if not given.

    Returns:
        The proof.

    Raises:
        AuditFormatError: If there is no such line, or a file cannot be read.
    """
    path = segment_path(log, segment)
    lines = iter_lines(path, start=offset)
    line = next(lines, None)
    parts = split_line(line.data) if line is not None and line.complete else None
    if line is None or parts is None:
        raise AuditFormatError("there is no line", expected="the beginning of a chained line", got=f"offset {offset}")
    digest = hash_line(line.data)
    head = _covering(path, parts.seq)
    reached, followed = _forward(lines, digest, parts.seq, head)
    return LineProof(
        segment=segment,
        seq=parts.seq,
        offset=offset,
        sha256=digest,
        prev=parts.prev,
        follows=_before(path, offset) == parts.prev,
        followed=followed,
        head=None if head is None else _told(*head, reached=reached, log=log, keys=public_keys),
    )


def _covering(path: Path, seq: int) -> tuple[bytes, SignedHead] | None:
    heads = heads_path(path)
    for line in iter_lines(heads) if is_regular(heads) else ():
        if line.complete:
            head = parse_head(line.data)
            if head.seq >= seq:
                return line.data, head
    return None


def _forward(
    lines: Iterator[RawLine], digest: str, seq: int, head: tuple[bytes, SignedHead] | None
) -> tuple[bool, bool | None]:
    """Follow the chain to a head; returns whether it gets there, and whether the next line names this one."""
    last = head[1].seq if head is not None else seq
    reached = head is not None and last == seq and digest == head[1].head
    followed: bool | None = None
    for at, line in enumerate(islice(lines, _MOST_LINES), start=seq + 1):
        if not line.complete:
            break
        parts = split_line(line.data)
        named = parts is not None and parts.prev == digest
        followed = named if followed is None else followed
        if not named or at > last:
            break
        digest = hash_line(line.data)
        reached = head is not None and at == last and digest == head[1].head
    return reached, followed


def _before(path: Path, offset: int) -> str:
    if offset == 0:
        return GENESIS
    start = max(0, offset - MAX_LINE_BYTES - 1)
    try:
        with path.open("rb") as file:
            file.seek(start)
            block = file.read(offset - start)
    except OSError as error:
        raise AuditFormatError(f"{path.name} cannot be read", got=type(error).__name__) from error
    return hash_line(block[:-1].rpartition(b"\n")[2])


def _told(line: bytes, head: SignedHead, *, reached: bool, log: Path, keys: Mapping[str, bytes] | None) -> CoveringHead:
    public = keys.get(head.key_id) if keys is not None else _beside(log, head.key_id)
    signature = Signature.UNKNOWN_KEY
    if public is not None:
        signature = Signature.VALID if signature_holds(line, head, public) else Signature.INVALID
    return CoveringHead(seq=head.seq, time=head.time, key_id=head.key_id, signature=signature, reached=reached)


def _beside(log: Path, key_id: str) -> bytes | None:
    path = log / KEYS / f"{key_id}{KEY_SUFFIX}"
    if not re.fullmatch(r"[0-9a-f]{16}", key_id) or not is_regular(path):
        return None
    text = path.read_bytes()
    public = bytes.fromhex(text.decode()) if _KEY_TEXT.fullmatch(text) else b""
    return public if len(public) == PUBLIC_KEY_BYTES and key_id_of(public) == key_id else None
