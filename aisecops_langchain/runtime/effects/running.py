"""Effects that were begun and not ended yet, and which of them this very process carries out.

Invariant: at most one thread of a process carries an effect out; the ledger keeps all other processes away.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from aisecops_langchain.domain.permit import Binding, Permit
from aisecops_langchain.errors import PermitError
from aisecops_langchain.runtime.ledger.records import EffectRecord

ALREADY_RUNNING = "the call is running right now"


@dataclass(frozen=True, slots=True)
class Running:
    """An effect that was begun and not ended yet."""

    key: str
    """Its key in the ledger."""
    binding: Binding
    record: EffectRecord
    version: str
    """Seal of its row in the ledger."""
    event: str
    """Id of the intent's event."""
    idempotency_key: str = ""
    """For a target system that does the same request only once; the same in every attempt."""

    @property
    def permit(self) -> Permit:
        """The permit that it was begun under."""
        return self.record.permit


class Underway:
    """The effects that this process carries out, by permit."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}
        """Version of each effect's row; empty while it is being claimed."""
        self._lock = threading.Lock()

    def enter(self, permit_id: str) -> None:
        """Claim a permit for the calling thread.

        Args:
            permit_id: The permit.

        Raises:
            PermitError: If another thread of this process has it.
        """
        with self._lock:
            if permit_id in self._versions:
                raise PermitError("already_running", ALREADY_RUNNING)
            self._versions[permit_id] = ""

    def set(self, running: Running) -> None:
        """Remember which version of its row a claimed effect has now."""
        self._versions[running.permit.id] = running.version

    def is_current(self, running: Running) -> bool:
        """Whether this is the effect that was claimed, in the version that was written last."""
        return self._versions.get(running.permit.id) == running.version

    def leave(self, permit_id: str) -> None:
        """Give a permit up."""
        with self._lock:
            self._versions.pop(permit_id, None)

    def __contains__(self, permit_id: str) -> bool:
        with self._lock:
            return permit_id in self._versions
