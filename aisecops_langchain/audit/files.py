"""Two things that the standard library leaves to its caller: durable small files and durable names.

Invariant: when a function here returns, its effect survives a loss of power.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Write a whole file, readable by its owner only; what was there before is replaced.

    Args:
        path: The file; never a link.
        data: All of its bytes.

    Raises:
        OSError: If it cannot be written.
    """
    with open(path, "wb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable.

    Args:
        directory: The directory.

    Raises:
        OSError: If it cannot be opened or synced.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
