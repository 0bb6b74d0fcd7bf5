"""Counts what a run was denied, and stops one that insists.

Invariant: the counters lie in the ledger, so that neither a restart nor another worker begins to count anew.
"""

from __future__ import annotations

from aisecops_langchain.canonical import JsonValue, digest
from aisecops_langchain.domain.scope import Scope
from aisecops_langchain.policy.model import Limits
from aisecops_langchain.runtime.ports import Ledger


class Insistence:
    """Counts denials.

    Args:
        ledger: Where the counters lie.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def is_too_much(self, scope: Scope, call: str, limits: Limits) -> bool:
        """Count a denied call.

        Args:
            scope: Where it was denied.
            call: Digest of the call, or of what was proposed in its place.
            limits: How often policy bears it.

        Returns:
            Whether the same call, or calls of this run altogether, were denied more often than that.

        Raises:
            LedgerError: If it could not be counted.
        """
        run: JsonValue = [scope.principal.tenant, scope.thread, scope.trace]
        same = self._ledger.increment(digest("denied", [run, call]))
        altogether = self._ledger.increment(digest("denied", run))
        return same >= limits.max_repeated_denials or altogether >= limits.max_denials_per_run
