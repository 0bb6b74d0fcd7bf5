"""Signatures of warrants: one Ed25519 key for each governance home, derived from its sealing key.

Invariant: a signature counts for exactly the claims that it was made over, in this format and for no other use of the
key. Ed25519 (RFC 8032); the key is derived under a domain of its own, so that no seal is ever a key or a signature.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from aisecops_langchain.domain.warrant import Warrant, WarrantClaims, WarrantLink
from aisecops_langchain.errors import CanonicalizationError, WarrantError
from aisecops_langchain.sealing import Sealer

MAX_WARRANT_BYTES: Final = 65_536
"""A longer text is refused before it is parsed."""

_PREFIX: Final = b"aisecops/warrant/v1\0"


class WarrantSigner:
    """Signs links and checks them.

    Args:
        sealer: Holds the key that the signing key is derived from.
    """

    def __init__(self, sealer: Sealer) -> None:
        seed = bytes.fromhex(sealer.seal_bytes("warrant-signing-key", b"v1"))
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key()

    def sign(self, claims: WarrantClaims) -> WarrantLink:
        """Sign one link.

        Args:
            claims: What it says.

        Returns:
            The link.
        """
        return WarrantLink(claims=claims, signature=self._key.sign(_PREFIX + claims.signed_bytes()).hex())

    def is_genuine(self, link: WarrantLink) -> bool:
        """Whether this key signed exactly these claims."""
        try:
            self._public.verify(bytes.fromhex(link.signature), _PREFIX + link.claims.signed_bytes())
        except (InvalidSignature, ValueError, CanonicalizationError):
            return False
        return True


def read_warrant(presented: object) -> Warrant:
    """Read a warrant as it was presented.

    Args:
        presented: A warrant, or its JSON text; anything else is refused.

    Returns:
        The warrant; nothing of it has been verified yet.

    Raises:
        WarrantError: If it is not a warrant.
    """
    if isinstance(presented, Warrant):
        return presented
    if not isinstance(presented, str):
        raise WarrantError("malformed", "this is no warrant", expected="JSON text", got=type(presented).__name__)
    if len(presented) > MAX_WARRANT_BYTES:
        raise WarrantError("malformed", "this is no warrant", expected=f"at most {MAX_WARRANT_BYTES} characters")
    try:
        return Warrant.model_validate_json(presented)
    except (ValidationError, RecursionError) as error:
        got = f"{error.error_count()} faults" if isinstance(error, ValidationError) else "endless nesting"
        raise WarrantError("malformed", "this is no warrant", expected="the JSON text of a warrant", got=got) from None
