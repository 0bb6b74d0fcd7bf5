"""Seals: keyed digests over canonical bytes, so that what is kept in untrusted places can be recognised again.

Invariant: a seal made under one domain and key never verifies under another, and comparison takes constant time.
HMAC-SHA256 (RFC 2104); keys per domain are derived from one root, so that no two uses share a key.
"""

from __future__ import annotations

import hashlib
import hmac

from aisecops_langchain.canonical import canonical_bytes


class Sealer:
    """Makes and checks seals with one root key.

    Args:
        root: The root key, at least 32 bytes.
    """

    def __init__(self, root: bytes) -> None:
        if len(root) < 32:
            message = "a sealing key needs at least 32 bytes"
            raise ValueError(message)
        self._root = root
        self._keyed: dict[str, hmac.HMAC] = {}

    def seal(self, domain: str, value: object) -> str:
        """Seal a JSON value.

        Args:
            domain: What the value is; part of the key.
            value: A plain JSON value.

        Returns:
            64 hexadecimal digits.

        Raises:
            CanonicalizationError: If the value is not plain JSON.
        """
        return self.seal_bytes(domain, canonical_bytes(value))

    def seal_bytes(self, domain: str, data: bytes) -> str:
        """Seal raw bytes.

        Args:
            domain: What the bytes are; part of the key.
            data: The bytes.

        Returns:
            64 hexadecimal digits.
        """
        keyed = self._keyed.get(domain)
        if keyed is None:
            key = hmac.digest(self._root, b"aisecops/seal/" + domain.encode(), hashlib.sha256)
            keyed = self._keyed[domain] = hmac.new(key, digestmod=hashlib.sha256)
        mac = keyed.copy()
        mac.update(data)
        return mac.hexdigest()

    def verifies(self, domain: str, data: bytes, seal: object) -> bool:
        """Check a seal over raw bytes.

        Args:
            domain: What the bytes are.
            data: The bytes.
            seal: What claims to be their seal; anything but the right text is refused.

        Returns:
            Whether this key sealed exactly these bytes under this domain.
        """
        return isinstance(seal, str) and seal.isascii() and hmac.compare_digest(self.seal_bytes(domain, data), seal)
