"""Where the lines of each run lie, so that one run of a large log is read without the rest.

Invariant: the index is derived and can be deleted; what it says is under a key that only its maker holds, and every
line that it leads to is compared with the hash from when it was indexed.
"""

from __future__ import annotations

from aisecops_langchain.forensics.index.index import LocatedLine, TraceIndex

__all__ = ["LocatedLine", "TraceIndex"]
