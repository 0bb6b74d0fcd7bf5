"""Making the evidence package of one run.

Invariant: only a log that verifies is put under a signature, only a bundle with the digest that the events name is put
in, and everything in the package is under the one statement that is signed last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files as resources
from pathlib import Path

import orjson

from aisecops_langchain.audit import SegmentClosed, SegmentOpened, VerifyReport, verify_log
from aisecops_langchain.audit.heads import HeadSigner, parse_head
from aisecops_langchain.audit.layout import segment_paths
from aisecops_langchain.audit.lines import split_line
from aisecops_langchain.audit.reader import parse_body
from aisecops_langchain.canonical import JsonValue
from aisecops_langchain.domain.events import AnyEvent
from aisecops_langchain.errors import AuditFormatError, EvidenceError
from aisecops_langchain.forensics.evidence.explanation import explain
from aisecops_langchain.forensics.evidence.mappings import mapped
from aisecops_langchain.forensics.evidence.names import ENVELOPE, EXPLANATION, MAPPINGS, SCRIPT
from aisecops_langchain.forensics.evidence.proofs import SegmentProof, prove_segment
from aisecops_langchain.forensics.evidence.statement import sign_statement
from aisecops_langchain.forensics.trace import Trace, traces_of
from aisecops_langchain.policy import parse_policy
from aisecops_langchain.policy.kept import read_kept


@dataclass(frozen=True, slots=True)
class EvidenceRequest:
    """What a package is to hold."""

    trace: str
    policies: tuple[bytes, ...] = ()
    """Texts of policy bundles."""
    kept: Path | None = None
    """Folder of bundles by digest, from which those of the run are taken that were not given."""
    bridges: bool = False
    """Whether to give lines of other runs that tie those of the trace to signed heads."""


def build_evidence(log: Path, request: EvidenceRequest, *, seed: bytes, now: datetime) -> dict[str, bytes]:
    """Make the package of one run.

    Args:
        log: The log directory.
        request: What it is to hold.
        seed: The 32 bytes of the audit key, which signs it.
        now: The time to put on it.

    Returns:
        The files by name.

    Raises:
        EvidenceError: If the log does not verify, does not hold the trace, or a bundle is not one of this run.
        AuditFormatError: If a file cannot be read.
        PolicyError: If a bundle is not sound, or a kept one was changed.
    """
    report = verify_log(log)
    if not report.ok:
        raise EvidenceError(
            "the log does not verify, so nothing in it can be evidence",
            expected="a log without problems",
            got=f"{len(report.problems)} problems",
            remedy="see them with: aisecops audit verify; keep the whole log as it is",
        )
    found = (prove_segment(path, request.trace, bridges=request.bridges) for path in segment_paths(log))
    proofs = [proof for proof in found if proof is not None]
    trace = _trace(request.trace, proofs)
    policies = _policies(request, trace)
    kinds = mapped(event.kind for event in trace.events)
    files = {
        **_segment_files(proofs),
        **_key_files(log, proofs, seed),
        **{place: text for place, text in policies.values() if place},
        EXPLANATION: explain(trace, {str(item["title"]): _count(item) for item in kinds.values()}).encode(),
        MAPPINGS: orjson.dumps(kinds, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        SCRIPT: resources(__package__).joinpath(SCRIPT).read_bytes(),
    }
    predicate = _predicate(request, trace, proofs, report, now)
    predicate["policies"] = {digest: place or None for digest, (place, _) in policies.items()}
    return {**files, ENVELOPE: sign_statement(files, predicate, seed)}


def _count(item: Mapping[str, object]) -> int:
    items = item["items"]
    return len(items) if isinstance(items, dict) else 0


def _trace(trace_id: str, proofs: Sequence[SegmentProof]) -> Trace:
    events: list[AnyEvent] = []
    for proof in proofs:
        events.extend(event for line in proof.lines if (event := _event(line)) is not None and event.trace == trace_id)
    if not events:
        raise EvidenceError("the log holds no such trace", expected="the id of a trace in the log")
    (trace,) = traces_of(events)
    return trace


def _event(line: bytes) -> AnyEvent | None:
    parts = split_line(line)
    if parts is None:
        return None
    parsed = parse_body(parts.body)
    return None if isinstance(parsed, SegmentOpened | SegmentClosed) else parsed


def _policies(request: EvidenceRequest, trace: Trace) -> dict[str, tuple[str, bytes]]:
    """Give each policy of a run its place in the package, or none."""
    found: dict[str, tuple[str, bytes]] = {event.policy: ("", b"") for event in trace.events}
    for text in request.policies:
        digest = parse_policy(text.decode("utf-8", "strict")).digest
        if digest not in found:
            raise EvidenceError(
                "a policy bundle is not one that this run was governed by",
                expected=", ".join(sorted(found)),
                got=digest,
                remedy="pass the bundle as it was then",
            )
        found[digest] = (_place(digest), text)
    for digest, (place, _) in found.items():
        kept = read_kept(request.kept, digest) if request.kept is not None and not place else None
        if kept is not None:
            found[digest] = (_place(digest), kept)
    return found


def _place(digest: str) -> str:
    return f"policy/{digest.removeprefix('sha256:')}.yaml"


def _segment_files(proofs: Sequence[SegmentProof]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for proof in proofs:
        place = f"segments/{proof.name}"
        files[f"{place}.lines"] = _text(proof.lines)
        files[f"{place}.hashes"] = _text([digest.encode() for digest in proof.hashes])
        files[f"{place}.heads"] = _text(proof.heads)
    return files


def _text(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _key_files(log: Path, proofs: Sequence[SegmentProof], seed: bytes) -> dict[str, bytes]:
    """Collect the public keys of everything that is signed in the package."""
    signer = HeadSigner(seed)
    keys = {signer.key_id: signer.public.hex().encode() + b"\n"}
    for key_id in {parse_head(line).key_id for proof in proofs for line in proof.heads} - keys.keys():
        try:
            keys[key_id] = (log / "keys" / f"{key_id}.pub").read_bytes()
        except OSError as error:
            raise AuditFormatError("a public key is gone", expected=f"keys/{key_id}.pub") from error
    return {f"keys/{key_id}.pub": text for key_id, text in keys.items()}


def _predicate(
    request: EvidenceRequest, trace: Trace, proofs: Sequence[SegmentProof], report: VerifyReport, now: datetime
) -> dict[str, JsonValue]:
    return {
        "trace": request.trace,
        "made": now.isoformat(),
        "bridges": request.bridges,
        "events": sum(proof.events for proof in proofs),
        "distinct_events": len(trace.events),
        "segments": {proof.name: {"lines": len(proof.lines), "hashes": len(proof.hashes)} for proof in proofs},
        "log": {"events": report.events, "segments": len(report.segments), "warnings": len(report.warnings)},
    }
