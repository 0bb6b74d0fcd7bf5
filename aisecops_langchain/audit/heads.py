"""Signed heads: what the holder of the key swore a segment held at some moment.

Invariant: a head is one line of canonical JSON; its Ed25519 signature covers all of it but the signature, and each
head names the hash of the head line before it. So neither a segment nor its heads can be changed or cut in the middle
without the key. What was appended after the last head is chained, but not yet sworn to.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final, Literal, cast

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, Field, JsonValue, ValidationError

from aisecops_langchain.canonical import canonical_bytes
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import AisecopsError, AuditFormatError, KeyStoreError

PUBLIC_KEY_BYTES: Final = 32


class SignedHead(Frozen):
    """One line of a sidecar."""

    kind: Literal["audit_head"]
    v: Literal[1]
    segment: str
    seq: int = Field(ge=0)
    """Number of the last line that it covers."""
    head: str
    """Hash of that line."""
    bytes: int = Field(ge=1)
    """Size of the segment up to and with that line."""
    time: AwareDatetime
    previous: str
    """Hash of the head line before this one, or zeros."""
    key_id: str
    sig: str = Field(pattern=r"^[0-9a-f]{128}$")


class HeadSigner:
    """Holds the signing key of one writer.

    Args:
        seed: The 32 bytes of the key file.

    Raises:
        KeyStoreError: If the seed has another length.
    """

    def __init__(self, seed: bytes) -> None:
        try:
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        except ValueError:
            raise KeyStoreError(
                "signing key of the audit log is unusable", expected="32 bytes", got=f"{len(seed)} bytes"
            ) from None
        self.public = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)

    def head_line(self, *, segment: str, seq: int, head: str, size: int, time: datetime, previous: str) -> bytes:
        """Swear to the state of a segment.

        Args:
            segment: Its name.
            seq: Number of its last line.
            head: Hash of that line.
            size: Bytes up to and with that line.
            time: Now, in UTC.
            previous: Hash of the head line before, or zeros.

        Returns:
            The line for the sidecar, without the newline.
        """
        claims: dict[str, JsonValue] = {
            "kind": "audit_head",
            "v": 1,
            "segment": segment,
            "seq": seq,
            "head": head,
            "bytes": size,
            "time": time.isoformat(),
            "previous": previous,
            "key_id": self.key_id,
        }
        signature = self._key.sign(canonical_bytes(claims)).hex()
        return canonical_bytes({**claims, "sig": signature})


def key_id_of(public: bytes) -> str:
    """Name a public key.

    Args:
        public: Its 32 raw bytes.

    Returns:
        The first 16 hexadecimal digits of its SHA-256.
    """
    return hashlib.sha256(public).hexdigest()[:16]


def parse_head(line: bytes) -> SignedHead:
    """Read a head, without checking its signature.

    Args:
        line: One line of a sidecar, without the newline.

    Returns:
        The head.

    Raises:
        AuditFormatError: If the line is not a head in canonical form; another spelling of the same head is refused
            too, since nobody but a forger would write one.
    """
    try:
        head = SignedHead.model_validate_json(line, strict=True)
        canonical = canonical_bytes(orjson.loads(line))
    except (ValidationError, ValueError, AisecopsError):
        raise AuditFormatError("line is not a signed head", expected="a head of schema version 1") from None
    if canonical != line:
        raise AuditFormatError("signed head is not in canonical form", expected="the bytes that were signed")
    return head


def signature_holds(line: bytes, head: SignedHead, public: bytes) -> bool:
    """Check the signature of a head.

    Args:
        line: The head's exact line.
        head: The same, parsed.
        public: Raw bytes of the public key.

    Returns:
        Whether the key signed exactly this head.
    """
    claims = cast("dict[str, JsonValue]", orjson.loads(line))
    del claims["sig"]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(head.sig), canonical_bytes(claims))
    except InvalidSignature:
        return False
    return True
