"""Verifying a log from its files alone.

Invariant: ``ok`` needs every segment whole, every signature valid, every recorded predecessor present, and at least one
segment. What no file can show by itself is the loss of the newest segments together with their heads, or of what was
not signed yet when a writer died: keep a head elsewhere (``AuditLog.sign_head``) and pass it as ``expect``; pin the
keys with ``public_keys``, or anyone who can write the directory can write another log in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aisecops_langchain.audit.heads import PUBLIC_KEY_BYTES, key_id_of
from aisecops_langchain.audit.layout import (
    KEY_SUFFIX,
    KEYS,
    heads_paths,
    is_regular,
    segment_path,
    segment_paths,
)
from aisecops_langchain.audit.records import ExpectedHead
from aisecops_langchain.audit.recovery import read_header
from aisecops_langchain.audit.report import Code, Findings, SegmentReport, VerifyReport
from aisecops_langchain.audit.verify_segment import Claim, check_segment
from aisecops_langchain.errors import AuditFormatError

_KEY_TEXT: Final = re.compile(rb"[0-9a-f]{64}\n")
_KEY_TEXT_BYTES: Final = 65
"""Of a good key file; of a longer one no more than this and one byte is read."""


def verify_log(
    path: Path, *, public_keys: Mapping[str, bytes] | None = None, expect: ExpectedHead | None = None
) -> VerifyReport:
    """Check a whole log, or one segment by itself.

    Args:
        path: A log directory, or one segment file; of a single file, what other segments say is not looked at.
        public_keys: Trusted public keys, 32 raw bytes each, by key id; those beside the log if not given.
        expect: A head that was kept elsewhere and must be in the log.

    Returns:
        The report; never an exception for what stands in the files.
    """
    findings = Findings("")
    directory = path if path.is_dir() else path.parent
    segments = _segments(path, findings)
    # Keys after segments: a living writer publishes its key before it makes its segment.
    keys = _pinned_keys(public_keys, findings) if public_keys is not None else _keys_beside(directory, findings)
    claims = _claims(segments, expect) if path.is_dir() else _anchor(expect)
    reports = tuple(check_segment(segment, keys, claims.get(segment.stem, ())) for segment in segments)
    _check_missing(claims, segments, directory, findings)
    if path.is_dir():
        _check_orphans(directory, findings)
    return _report(findings, reports, keys_pinned=public_keys is not None)


def _segments(path: Path, findings: Findings) -> list[Path]:
    try:
        found = segment_paths(path) if path.is_dir() else [path] if is_regular(path) else []
    except OSError as error:
        findings.problem(Code.UNREADABLE, f"{path.name} cannot be listed: {type(error).__name__}")
        return []
    if not found:
        findings.problem(Code.NO_LOG, f"there is no audit log at {path.name or path}")
    return found


def _pinned_keys(given: Mapping[str, bytes], findings: Findings) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for key_id, public in given.items():
        _accept_key(keys, key_id, public, findings)
    return keys


def _keys_beside(directory: Path, findings: Findings) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    try:
        for file in sorted((directory / KEYS).glob(f"*{KEY_SUFFIX}")):
            if not is_regular(file):
                continue
            with file.open("rb") as stream:
                text = stream.read(_KEY_TEXT_BYTES + 1)
            public = bytes.fromhex(text.decode()) if _KEY_TEXT.fullmatch(text) else b""
            _accept_key(keys, file.stem, public, findings)
    except OSError as error:
        findings.problem(Code.UNREADABLE, f"public keys cannot be read: {type(error).__name__}")
    return keys


def _accept_key(keys: dict[str, bytes], key_id: str, public: bytes, findings: Findings) -> None:
    if len(public) != PUBLIC_KEY_BYTES or key_id_of(public) != key_id:
        findings.problem(Code.BAD_KEY, f"public key {key_id} is malformed or not the key of that name")
        return
    keys[key_id] = public


def _anchor(expect: ExpectedHead | None) -> dict[str, list[Claim]]:
    if expect is None:
        return {}
    claim = Claim(expect.seq, expect.head, ended=False, code=Code.ANCHOR_MISMATCH, by="the kept head")
    return {expect.segment: [claim]}


def _claims(segments: list[Path], expect: ExpectedHead | None) -> dict[str, list[Claim]]:
    """Collect what the segments say about each other, before any is read whole: a later reading only shows more."""
    claims = _anchor(expect)
    for path in segments:
        try:
            header = read_header(path)
        except AuditFormatError:
            continue  # reported when the segment itself is checked
        for end in header.previous if header is not None else ():
            claim = Claim(end.seq, end.head, ended=end.ended, code=Code.REFERENCE_MISMATCH, by=path.stem)
            claims.setdefault(end.segment, []).append(claim)
    return claims


def _check_missing(
    claims: Mapping[str, list[Claim]], segments: list[Path], directory: Path, findings: Findings
) -> None:
    for name in sorted(claims.keys() - {segment.stem for segment in segments}):
        appeared = is_regular(segment_path(directory, name))  # opened by a living writer while we looked
        for claim in claims[name]:
            if claim.code is Code.ANCHOR_MISMATCH:
                findings.problem(claim.code, "the segment of the kept head is not in this log", segment=name)
            elif not appeared:
                message = f"the segment is gone; {claim.by} speaks of its line {claim.seq}"
                findings.problem(Code.SEGMENT_MISSING, message, segment=name)


def _check_orphans(directory: Path, findings: Findings) -> None:
    """Heads without a segment: empty ones are left by a writer that died while opening."""
    try:
        orphans = [path for path in heads_paths(directory) if not is_regular(segment_path(directory, path.stem))]
        signed = [path for path in orphans if path.stat().st_size > 0]
    except OSError as error:
        findings.problem(Code.UNREADABLE, f"{directory.name} cannot be listed: {type(error).__name__}")
        return
    for path in signed:
        findings.problem(Code.SEGMENT_MISSING, "the segment is gone; its heads are there", segment=path.stem)


def _report(findings: Findings, reports: tuple[SegmentReport, ...], *, keys_pinned: bool) -> VerifyReport:
    problems = (*findings.problems, *(problem for report in reports for problem in report.problems))
    warnings = (*findings.warnings, *(warning for report in reports for warning in report.warnings))
    return VerifyReport(
        ok=not problems and bool(reports),
        events=sum(report.events for report in reports),
        keys_pinned=keys_pinned,
        signers=tuple(sorted({signer for report in reports for signer in report.signers})),
        segments=reports,
        problems=problems,
        warnings=warnings,
    )
