"""The roster: all runs of a log, one row each, kept in a file so that a list of many is there at once.

Invariant: the roster is derived and can be deleted; it says how far each segment is covered, and begins anew when the
log is not the one that it covers. It tells what stands in the lines, and never whether they were changed.
"""

from __future__ import annotations

from aisecops_langchain.forensics.roster.filters import RunFilter
from aisecops_langchain.forensics.roster.roster import Growth, Roster
from aisecops_langchain.forensics.roster.row import RunFigures, RunRow

__all__ = ["Growth", "Roster", "RunFigures", "RunFilter", "RunRow"]
