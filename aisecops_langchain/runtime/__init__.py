"""The governor: labels content, decides on calls, issues permits, keeps effects single and records everything.

Invariant: no LangChain here, and nothing runs here; this room says whether something may run and remembers that it did.

The way of data: ``admission`` → ``plans`` → ``decisions`` → ``approvals`` → ``effects`` → ``delivery``, each recording
through ``recorder`` and keeping authority in the ledger behind ``ports``; ``assembly`` puts them together.
"""

from aisecops_langchain.runtime.governor import Governor

__all__ = ["Governor"]
