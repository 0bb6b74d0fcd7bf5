"""Secret key files: created once, readable by their owner only, never overwritten.

Invariant: a key is either 32 whole bytes in a file that nobody else can read, or an error; a missing directory,
a short file or loose permissions never yield a weaker key.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from aisecops_langchain.errors import KeyStoreError

KEY_BYTES: Final = 32
"""Length of every key file: 256 bits."""


def load_or_create_key(path: Path) -> bytes:
    """Read a key, or make a random one if there is none yet; several processes may race to make it.

    Args:
        path: The key file.

    Returns:
        The 32 bytes.

    Raises:
        KeyStoreError: If the key cannot be made, read, or is readable by others.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _create(path)
    except OSError as error:
        raise KeyStoreError(
            f"key file {path.name} cannot be created",
            expected="a directory that this process may write to",
            got=type(error).__name__,
            remedy="fix the permissions of the directory, or pass another one",
        ) from error
    return load_key(path)


def load_key(path: Path) -> bytes:
    """Read an existing key.

    Args:
        path: The key file.

    Returns:
        The 32 bytes.

    Raises:
        KeyStoreError: If it is missing, of another length, or readable by others.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as error:
        raise KeyStoreError(
            f"key file {path.name} cannot be read", expected="an existing key file", got=type(error).__name__
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise KeyStoreError(
            f"key file {path.name} is open to others",
            expected="mode 0600",
            got=f"mode {mode:04o}",
            remedy="run chmod 600 on it, and replace the key if others may have read it",
        )
    if len(data) != KEY_BYTES:
        raise KeyStoreError(f"key file {path.name} is damaged", expected=f"{KEY_BYTES} bytes", got=f"{len(data)} bytes")
    return data


def _create(path: Path) -> None:
    """Write a random key under a temporary name and link it into place, so that readers never see half of one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        temporary.unlink()
