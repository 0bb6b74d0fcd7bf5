"""Where things lie in a log directory, and nothing else.

Invariant: only regular files with exact names count as parts of a log; links and strangers are never followed::

    <directory>/segment-<UTC time>-<8 hex>.jsonl     one per writer, chained
    <directory>/segment-<UTC time>-<8 hex>.heads     signed heads of that segment
    <directory>/keys/<key id>.pub                    public keys, hexadecimal
    <directory>/quarantine/<segment>.<offset>.torn   half-written lines of writers that died
    <directory>/.lock                                held while a writer opens
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

SEGMENT_SUFFIX: Final = ".jsonl"
HEADS_SUFFIX: Final = ".heads"
KEYS: Final = "keys"
KEY_SUFFIX: Final = ".pub"
QUARANTINE: Final = "quarantine"
LOCK: Final = ".lock"

SEGMENT_NAME: Final = "segment-[0-9]{8}T[0-9]{12}-[0-9a-f]{8}"
"""Pattern of every name of a segment, without suffix."""

_SEGMENT_NAME: Final = re.compile(SEGMENT_NAME)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def to_datetime(nanoseconds: int) -> datetime:
    """Turn a clock reading into a date.

    Args:
        nanoseconds: Nanoseconds since the Unix epoch.

    Returns:
        The moment in UTC, cut to microseconds.
    """
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def segment_name(nanoseconds: int, nonce: str) -> str:
    """Name a new segment so that names sort by the time of opening.

    Args:
        nanoseconds: Nanoseconds since the Unix epoch.
        nonce: Eight hexadecimal digits that keep apart writers of the same microsecond.

    Returns:
        The name, without suffix.
    """
    return f"segment-{to_datetime(nanoseconds):%Y%m%dT%H%M%S%f}-{nonce}"


def is_segment_name(text: str) -> bool:
    """Whether a text is a name that a writer may have given to a segment.

    Args:
        text: Any text.

    Returns:
        False for whatever else, paths included.
    """
    return _SEGMENT_NAME.fullmatch(text) is not None


def segment_paths(directory: Path) -> list[Path]:
    """List the segments of a log directory.

    Args:
        directory: The log directory.

    Returns:
        Segment files, sorted by name.

    Raises:
        OSError: If the directory cannot be listed.
    """
    return sorted(_named(directory, SEGMENT_SUFFIX))


def heads_paths(directory: Path) -> list[Path]:
    """List the sidecars of a log directory.

    Args:
        directory: The log directory.

    Returns:
        Sidecar files, sorted by name.

    Raises:
        OSError: If the directory cannot be listed.
    """
    return sorted(_named(directory, HEADS_SUFFIX))


def segment_path(directory: Path, name: str) -> Path:
    """Place of a segment.

    Args:
        directory: The log directory.
        name: The segment's name, without suffix.

    Returns:
        Its path.
    """
    return directory / f"{name}{SEGMENT_SUFFIX}"


def heads_path(segment: Path) -> Path:
    """Place of the sidecar of a segment.

    Args:
        segment: The segment file.

    Returns:
        The path of its signed heads.
    """
    return segment.with_suffix(HEADS_SUFFIX)


def is_regular(path: Path) -> bool:
    """Whether a path is a plain file and not a link to one.

    Args:
        path: Any path.

    Returns:
        False also for what does not exist.
    """
    return path.is_file() and not path.is_symlink()


def _named(directory: Path, suffix: str) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        for entry in entries:
            stem = entry.name.removesuffix(suffix)
            if stem != entry.name and is_segment_name(stem) and entry.is_file(follow_symlinks=False):
                yield directory / entry.name
