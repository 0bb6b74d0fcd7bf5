"""Content that was withheld, kept for those who investigate: encrypted, beside the log, under its digest.

Invariant: what is read back is exactly what was withheld, or an error; nothing lies on disk in the clear, and the same
content lies there once. AES-256-GCM (NIST SP 800-38D) with a random nonce, the digest authenticated beside it.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.errors import QuarantineAccessError, QuarantineError
from aisecops_langchain.keyfile import load_key, load_or_create_key

MAX_CHARS: Final = 4_000_000
"""Longer content is not kept: whoever writes documents could otherwise fill the disk with few of them."""

_HEAD: Final = b"aisecops-quarantine-1\n"
_NONCE_BYTES: Final = 12
_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})\Z")
_FOLDER: Final = "withheld"
_KEY: Final = Path("keys", "quarantine.key")


@dataclass(frozen=True, slots=True)
class Kept:
    """One piece of content in quarantine."""

    digest: str
    """Digest of the content, as events name it."""
    size: int
    """Bytes on disk."""
    modified_ns: int
    """When it was put there, in nanoseconds since the Unix epoch."""


class Quarantine:
    """Keeps withheld content.

    Args:
        folder: Where it lies; made when something is kept.
        key: 32 bytes.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._cipher = AESGCM(key)

    @classmethod
    def of_home(cls, home: Path, *, make: bool = True) -> Quarantine:
        """Open the quarantine of a governance home.

        Args:
            home: The home.
            make: Whether its key may be made.

        Returns:
            The quarantine.

        Raises:
            KeyStoreError: If the key cannot be read or made, or is open to others.
        """
        path = home / _KEY
        return cls(home / _FOLDER, load_or_create_key(path) if make else load_key(path))

    def keep(self, digest: str, text: str) -> bool:
        """Keep content; content that lies there already stays as it is.

        Args:
            digest: Its digest as content.
            text: The content.

        Returns:
            Whether it is kept; content of more than ``MAX_CHARS`` is not.

        Raises:
            QuarantineError: If it cannot be written.
        """
        if len(text) > MAX_CHARS:
            return False
        path = self._path(digest)
        try:
            if not path.exists():
                self._write(path, self._sealed(digest, text))
        except OSError as error:
            raise QuarantineAccessError(
                "withheld content cannot be kept",
                expected="a quarantine that this process may write to",
                got=type(error).__name__,
                remedy="free the disk or fix the permissions, or set keep_quarantined: false in the policy",
            ) from error
        return True

    def read(self, digest: str) -> str:
        """Read content back.

        Args:
            digest: Its digest, as the log shows it.

        Returns:
            The raw content.

        Raises:
            QuarantineError: If it is not there, was changed, or was written with another key.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise _nothing(digest) from None
        except OSError as error:
            raise QuarantineAccessError("the quarantine cannot be read", got=type(error).__name__) from error
        return self._opened(digest, data)

    def kept(self) -> Iterator[Kept]:
        """List what is kept, the earliest first.

        Yields:
            Each piece of content.

        Raises:
            QuarantineError: If the quarantine cannot be read.
        """
        try:
            found = [(path, path.stat()) for path in self._folder.glob("*")] if self._folder.is_dir() else []
        except OSError as error:
            raise QuarantineAccessError("the quarantine cannot be read", got=type(error).__name__) from error
        for path, facts in sorted(found, key=lambda item: (item[1].st_mtime_ns, item[0].name)):
            if _DIGEST.match(f"sha256:{path.name}"):
                yield Kept(f"sha256:{path.name}", facts.st_size, facts.st_mtime_ns)

    def drop(self, digest: str) -> None:
        """Delete content for good; the log keeps its digest.

        Args:
            digest: Its digest.

        Raises:
            QuarantineError: If it is not there or cannot be deleted.
        """
        try:
            self._path(digest).unlink()
        except FileNotFoundError:
            raise _nothing(digest) from None
        except OSError as error:
            raise QuarantineAccessError("content cannot be deleted", got=type(error).__name__) from error

    def _path(self, digest: str) -> Path:
        named = _DIGEST.match(digest)
        if named is None:
            raise QuarantineError("not a digest", expected="sha256: and 64 hexadecimal digits", got=digest[:80])
        return self._folder / named[1]

    def _sealed(self, digest: str, text: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _HEAD + nonce + self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), digest.encode())

    def _opened(self, digest: str, data: bytes) -> str:
        rest = data.removeprefix(_HEAD)
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            text = self._cipher.decrypt(nonce, sealed, digest.encode()).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            raise QuarantineError(
                "content in quarantine was changed, or written with another key",
                expected="the bytes that were written",
                got=digest,
            ) from None
        if digest_text("content", text) != digest:
            raise QuarantineError("content in quarantine is not what its name says", got=digest)
        return text

    def _write(self, path: Path, data: bytes) -> None:
        """Write under another name and move into place, so that nobody finds half of it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name[:16]}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _nothing(digest: str) -> QuarantineError:
    return QuarantineError("no such content in quarantine", expected="the digest of content that was kept", got=digest)
