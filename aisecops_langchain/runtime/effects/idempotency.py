"""Idempotency keys: one for each effect, for target systems that do the same request only once.

Invariant: a key is a keyed function of the effect's identity alone. It is the same in every attempt, on every host that
shares the sealing key and after any crash, and nobody without that key can tell or choose it.
"""

from __future__ import annotations

from uuid import UUID

from aisecops_langchain.sealing import Sealer

_DOMAIN = "idempotency"


def idempotency_key(sealer: Sealer, effect: str) -> str:
    """Derive the key of an effect.

    Args:
        sealer: Holds the sealing key.
        effect: Key of the effect in the ledger.

    Returns:
        36 characters in the form of a UUID, which is what target systems take.
    """
    mac = bytes.fromhex(sealer.seal_bytes(_DOMAIN, effect.encode()))
    return str(UUID(bytes=mac[:16], version=4))
