"""Checking an evidence package from its files alone.

Invariant: ``ok`` needs a valid signature over a statement that names exactly the files that are there, lines that stand
in their chain under valid heads, and nothing that is not of the run. Without a pinned key all signatures must be of one
key, and the package is only shown to be consistent, not whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

from aisecops_langchain.audit.heads import PUBLIC_KEY_BYTES, key_id_of, parse_head
from aisecops_langchain.audit.heads import signature_holds as head_holds
from aisecops_langchain.audit.lines import GENESIS, hash_line, split_line
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import AisecopsError, EvidenceError
from aisecops_langchain.forensics.evidence.names import ENVELOPE, sha256
from aisecops_langchain.forensics.evidence.proofs import signed_lines, trace_of
from aisecops_langchain.forensics.evidence.statement import Signed, Statement, open_envelope, read_statement
from aisecops_langchain.forensics.evidence.statement import signature_holds as envelope_holds
from aisecops_langchain.policy import parse_policy

_KEY_TEXT: Final = re.compile(rb"[0-9a-f]{64}\n")
_HASHES: Final = re.compile(rb"(?:[0-9a-f]{64}\n)+")


class EvidenceReport(Frozen):
    """What a check found."""

    ok: bool
    trace: str
    """The run that the package claims to be about."""
    keys: tuple[str, ...]
    """Ids of the keys whose signatures hold."""
    keys_pinned: bool
    """Whether the keys came from the caller."""
    events: int
    """Lines of the run."""
    signed: int
    """How many of them rest on a head that was signed when they were written; the others on the statement alone."""
    problems: tuple[str, ...]


def check_evidence(files: Mapping[str, bytes], *, public_keys: Mapping[str, bytes] | None = None) -> EvidenceReport:
    """Check a package.

    Args:
        files: The files by name.
        public_keys: Trusted public keys, 32 raw bytes each, by key id; those in the package if not given.

    Returns:
        The report; never an exception for what stands in the files.
    """
    check = _Check(files, public_keys)
    try:
        check.run()
    except AisecopsError as error:
        check.problems.append(str(error))
    except (KeyError, TypeError, ValueError) as error:
        check.problems.append(f"the statement makes no sense: {type(error).__name__}")
    return check.report()


class _Check:
    """State of one pass over one package."""

    def __init__(self, files: Mapping[str, bytes], pinned: Mapping[str, bytes] | None) -> None:
        self.problems: list[str] = []
        self._files = files
        self._pinned = pinned is not None
        self._keys = dict(pinned) if pinned is not None else self._keys_inside()
        self._used: set[str] = set()
        self._trace = ""
        self._events = 0
        self._signed = 0

    def run(self) -> None:
        signed = open_envelope(self._files.get(ENVELOPE, b""))
        self._check_signature(signed)
        statement = read_statement(signed.payload)
        self._check_subjects(statement.subjects)
        self._trace = str(statement.predicate["trace"])
        self._check_segments(statement)
        self._check_policies(statement)
        if self._events != statement.predicate["events"] or not self._events:
            self.problems.append("the number of events is not the one that was signed")
        if len(self._used) > 1 and not self._pinned:
            self.problems.append("several keys signed; pass those that you trust with --key")

    def report(self) -> EvidenceReport:
        return EvidenceReport(
            ok=not self.problems,
            trace=self._trace,
            keys=tuple(sorted(self._used)),
            keys_pinned=self._pinned,
            events=self._events,
            signed=self._signed,
            problems=tuple(self.problems),
        )

    def _keys_inside(self) -> dict[str, bytes]:
        keys: dict[str, bytes] = {}
        for name, data in self._files.items():
            if not name.startswith("keys/"):
                continue
            public = bytes.fromhex(data.decode("ascii")) if _KEY_TEXT.fullmatch(data) else b""
            if len(public) != PUBLIC_KEY_BYTES or name != f"keys/{key_id_of(public)}.pub":
                self.problems.append("a public key is malformed or not the key of its name")
            else:
                keys[key_id_of(public)] = public
        return keys

    def _check_signature(self, signed: Signed) -> None:
        holding = [key_id for key_id, public in self._keys.items() if envelope_holds(signed, key_id, public)]
        if not holding:
            raise EvidenceError("the signature of the statement does not hold", expected="a signature of a trusted key")
        self._used.add(holding[0])

    def _check_subjects(self, subjects: Mapping[str, str]) -> None:
        there = self._files.keys() - {ENVELOPE}
        self.problems.extend(f"{name} is missing" for name in sorted(subjects.keys() - there))
        self.problems.extend(f"{name} is not part of the evidence" for name in sorted(there - subjects.keys()))
        for name in sorted(there & subjects.keys()):
            if sha256(self._files[name]) != subjects[name]:
                self.problems.append(f"{name} was changed")

    def _check_segments(self, statement: Statement) -> None:
        bridges = statement.predicate["bridges"] is True
        segments = cast("dict[str, JsonValue]", statement.predicate["segments"])
        for name in segments:
            files = [self._files.get(f"segments/{name}.{part}", b"") for part in ("lines", "hashes", "heads")]
            if not _HASHES.fullmatch(files[1]):
                self.problems.append(f"{name}: the hashes are malformed")
                continue
            hashes = files[1].decode("ascii").split()
            heads = self._check_heads(name, files[2], hashes)
            self._check_lines(name, files[0], hashes, heads, bridges=bridges)

    def _check_heads(self, name: str, data: bytes, hashes: list[str]) -> set[int]:
        points: set[int] = set()
        previous = GENESIS
        for line in data.split(b"\n")[:-1]:
            head = parse_head(line)
            public = self._keys.get(head.key_id)
            if public is None or not head_holds(line, head, public):
                raise EvidenceError(f"{name}: a signed head is not of a trusted key")
            if head.segment != name or head.previous != previous:
                raise EvidenceError(f"{name}: a signed head does not belong where it stands")
            if head.seq >= len(hashes) or hashes[head.seq] != head.head:
                raise EvidenceError(f"{name}: a signed head says otherwise than the hashes")
            previous = hash_line(line)
            points.add(head.seq)
            self._used.add(head.key_id)
        return points

    def _check_lines(self, name: str, data: bytes, hashes: list[str], heads: set[int], *, bridges: bool) -> None:
        given: set[int] = set()
        events: list[int] = []
        for line in data.split(b"\n")[:-1]:
            parts = split_line(line)
            if parts is None or parts.seq <= max(given, default=-1) or parts.seq >= len(hashes):
                raise EvidenceError(f"{name}: a line does not stand in the order of the log")
            before = hashes[parts.seq - 1] if parts.seq else GENESIS
            if hash_line(line) != hashes[parts.seq] or parts.prev != before:
                raise EvidenceError(f"{name}: line {parts.seq} is not the one that was chained")
            given.add(parts.seq)
            if trace_of(line) == self._trace:
                events.append(parts.seq)
            elif parts.seq and not bridges:
                raise EvidenceError(f"{name}: line {parts.seq} is of another run")
        self._events += len(events)
        self._signed += signed_lines(events, given, heads)

    def _check_policies(self, statement: Statement) -> None:
        for digest, place in cast("dict[str, str | None]", statement.predicate["policies"]).items():
            if place is None:
                continue
            text = self._files.get(place, b"").decode("utf-8", "replace")
            if parse_policy(text).digest != digest:
                self.problems.append(f"{place} is not the bundle that the events name")
