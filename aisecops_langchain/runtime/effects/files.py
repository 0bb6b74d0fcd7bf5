"""Opening a file below a root, for tools whose paths policy bounds with ``path_under``.

Invariant: what is opened lies below the root at the moment it is opened. No symbolic link below the root is followed,
so that one which is put there after the decision leads nowhere. Policy decides on the text of a path and looks at no
disk; only whoever opens the file can hold this.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Final

from aisecops_langchain.errors import ReachError

_STEP: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_under(root: str | os.PathLike[str], path: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Open a file below a root, one directory after the other.

    Args:
        root: The root, trusted; links on the way to it are followed.
        path: The path as the tool was given it: below the root if it is absolute, or else relative to the root.
        flags: As for ``os.open``.
        mode: Of a file that is made.

    Returns:
        A file descriptor; hand it to ``os.fdopen``.

    Raises:
        ReachError: If the path leads out of the root or through a symbolic link, or cannot be opened.
    """
    steps = _steps(os.fspath(root), path)
    try:
        here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for step in steps[:-1]:
                below = os.open(step, _STEP, dir_fd=here)
                os.close(here)
                here = below
            return os.open(steps[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=here)
        finally:
            os.close(here)
    except (OSError, ValueError) as error:
        raise ReachError(
            "the file cannot be opened below its root",
            expected="directories and a file, and no symbolic link",
            got=type(error).__name__,
        ) from None


def _steps(root: str, path: str) -> tuple[str, ...]:
    given = PurePosixPath(path)
    try:
        inside = given.relative_to(root) if given.is_absolute() else given
    except ValueError:
        inside = PurePosixPath("..")
    if not inside.parts or ".." in inside.parts:
        raise ReachError("the path leads out of its root", expected="a path below it, without ..", got="another one")
    return inside.parts
