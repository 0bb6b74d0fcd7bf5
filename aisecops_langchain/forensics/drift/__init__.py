"""Drift: history decided again under another policy, and what changed over time.

Invariant: everything here is a pure function over recorded events and policies. No model is asked, no tool is run, and
what cannot be told from the log is said to be not reproducible; it is never taken for an allow.
"""

from __future__ import annotations

from aisecops_langchain.forensics.drift.history import TimeMachine
from aisecops_langchain.forensics.drift.recorded import Unknown
from aisecops_langchain.forensics.drift.report import BundleReport, Change, Coverage, DriftReport, Fault, Flip

__all__ = ["BundleReport", "Change", "Coverage", "DriftReport", "Fault", "Flip", "TimeMachine", "Unknown"]
