"""The audit log: append-only JSON lines, chained and signed, with its reader and its verifier.

Invariant: what ``commit`` confirmed is in the files, whole and in order; what is in the files can be checked by anyone
who holds the public key; and no change to what was signed goes unnoticed.

It relies on POSIX: ``O_APPEND``, ``flock`` and ``fdatasync`` on a local file system.
"""

from __future__ import annotations

from aisecops_langchain.audit.log import AuditLog, Durability, Receipt
from aisecops_langchain.audit.reader import LogEntry, read_log, read_segment
from aisecops_langchain.audit.records import ExpectedHead, SegmentClosed, SegmentOpened, SegmentRecord
from aisecops_langchain.audit.report import Code, Problem, SegmentReport, VerifyReport
from aisecops_langchain.audit.verify import verify_log

__all__ = [
    "AuditLog",
    "Code",
    "Durability",
    "ExpectedHead",
    "LogEntry",
    "Problem",
    "Receipt",
    "SegmentClosed",
    "SegmentOpened",
    "SegmentRecord",
    "SegmentReport",
    "VerifyReport",
    "read_log",
    "read_segment",
    "verify_log",
]
