"""Evidence: one run, packed so that somebody else can check it without the log, without us and without a network.

Invariant: what is packed verified when it was packed; what is checked is checked from its bytes alone.
"""

from __future__ import annotations

from aisecops_langchain.forensics.evidence.build import EvidenceRequest, build_evidence
from aisecops_langchain.forensics.evidence.check import EvidenceReport, check_evidence
from aisecops_langchain.forensics.evidence.package import read_package, write_package

__all__ = [
    "EvidenceReport",
    "EvidenceRequest",
    "build_evidence",
    "check_evidence",
    "read_package",
    "write_package",
]
