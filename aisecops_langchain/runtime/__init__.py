"""The governor: labels content, decides on calls, issues permits, keeps effects single and records everything.

Invariant: no LangChain here, and nothing runs here; this room says whether something may run and remembers that it did.

The way of data: ``admission`` → ``planning`` → ``gate`` → ``approvals`` → ``execution``, each recording through
``recorder`` and keeping authority in the ledger behind ``ports``.
"""

from aisecops_langchain.runtime.governor import Governor

__all__ = ["Governor"]
