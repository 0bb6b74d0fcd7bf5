"""Forensics: what the log alone says about a run, told as a summary and as a timeline.

Invariant: what tells a run is a pure function over recorded events; nothing runs a tool, and what is missing from the
log is named rather than filled in. Only ``parquet`` and the rooms ``sql``, ``index``, ``roster``,
``spark`` and ``evidence`` touch files: those of a log, its copies, and packages of evidence.
"""

from __future__ import annotations

from aisecops_langchain.forensics.problems import Problem
from aisecops_langchain.forensics.stages import TimelineStage
from aisecops_langchain.forensics.summary import Summary, summarize
from aisecops_langchain.forensics.text import visible
from aisecops_langchain.forensics.timeline import TimelineEntry, timeline
from aisecops_langchain.forensics.trace import Trace, traces_of
from aisecops_langchain.forensics.violations import problems_of

__all__ = [
    "Problem",
    "Summary",
    "TimelineEntry",
    "TimelineStage",
    "Trace",
    "problems_of",
    "summarize",
    "timeline",
    "traces_of",
    "visible",
]
