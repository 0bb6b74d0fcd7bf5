"""Permits: minted for one exact binding, recognised only whole.

Invariant: a permit that was not minted with this key, or that was changed in any field since, does not verify.
"""

from __future__ import annotations

import hmac
import secrets

from aisecops_langchain.canonical import fact_bytes
from aisecops_langchain.domain.permit import Binding, Permit
from aisecops_langchain.errors import PermitError
from aisecops_langchain.sealing import Sealer

_DOMAIN = "permit"


def mint(sealer: Sealer, binding: Binding, *, now: int, lifetime_seconds: int, until: int | None = None) -> Permit:
    """Make a permit for one binding.

    Args:
        sealer: Holds the key.
        binding: What the permit is good for.
        now: Nanoseconds since the Unix epoch.
        lifetime_seconds: How long it is good.
        until: When it ends at the latest, in nanoseconds since the Unix epoch.

    Returns:
        The permit; its id is a nonce that nobody can guess.
    """
    identity = secrets.token_hex(16)
    expires = now + lifetime_seconds * 1_000_000_000
    expires = expires if until is None else min(expires, until)
    seal = sealer.seal_bytes(_DOMAIN, _claims(identity, binding, now, expires))
    return Permit(id=identity, binding=binding, issued_at=now, expires_at=expires, seal=seal)


def is_genuine(sealer: Sealer, permit: Permit) -> bool:
    """Whether a permit was minted with this key and not changed since.

    Args:
        sealer: Holds the key.
        permit: The permit as found.

    Returns:
        ``True`` only for a permit of ours in every field that authorises.
    """
    claims = _claims(permit.id, permit.binding, permit.issued_at, permit.expires_at)
    return sealer.verifies(_DOMAIN, claims, permit.seal)


def _claims(identity: str, binding: Binding, issued_at: int, expires_at: int) -> bytes:
    return fact_bytes({**binding.claims(), "expires_at": expires_at, "id": identity, "issued_at": issued_at})


def require_match(sealer: Sealer, permit: Permit, presented: str, binding: Binding, *, genuine: bool = False) -> None:
    """Compare a permit with what is asked of it.

    Args:
        sealer: Holds the key.
        permit: The permit that the ledger holds.
        presented: The id that was presented; anything at all.
        binding: What is about to run.
        genuine: Whether the permit never left this process, and so needs no proof of being ours.

    Raises:
        PermitError: If it is another permit, is not ours, or is good for something else.
    """
    if not hmac.compare_digest(permit.id.encode(), presented.encode("utf-8", "surrogatepass")):
        raise PermitError("forged", "the permit is not the one that was issued", expected="the issued permit")
    if not genuine and not is_genuine(sealer, permit):
        raise PermitError("forged", "the permit does not carry our seal", expected="an unchanged permit")
    issued, asked = permit.binding.claims(), binding.claims()
    for claim, value in issued.items():
        if asked[claim] != value:
            raise PermitError(claim, f"the permit is for another {claim}", expected="exactly what was allowed")
