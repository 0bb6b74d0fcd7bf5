"""Questions to a log in SQL, answered by DuckDB over the segments themselves (extra ``query``).

Invariant: the segments are read and never written; a question reaches nothing but the segments of this log.
"""

from __future__ import annotations

from aisecops_langchain.forensics.sql.engine import Answer, LogQuery
from aisecops_langchain.forensics.sql.overview import overview_of_log

__all__ = ["Answer", "LogQuery", "overview_of_log"]
