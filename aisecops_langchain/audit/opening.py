"""Opening a log directory for writing: keys, recovery, and a new segment with its first line.

Invariant: openers go one at a time, under a lock on the directory; a segment exists either with its opening record
and the lock of a living writer, or, if opening failed, not at all.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from aisecops_langchain.audit.chain import ChainedFile
from aisecops_langchain.audit.files import sync_directory, write_durably
from aisecops_langchain.audit.heads import HeadSigner
from aisecops_langchain.audit.layout import (
    KEY_SUFFIX,
    KEYS,
    LOCK,
    heads_path,
    segment_name,
    segment_path,
    to_datetime,
)
from aisecops_langchain.audit.lines import GENESIS, join_line
from aisecops_langchain.audit.records import SegmentOpened, Writer, record_body
from aisecops_langchain.audit.recovery import recover
from aisecops_langchain.errors import AuditError, AuditWriteError


class OpenSegment(NamedTuple):
    """The two files of a new segment."""

    name: str
    lines: ChainedFile
    heads: ChainedFile


def open_segment(directory: Path, signer: HeadSigner, now: int) -> OpenSegment:
    """Recover a log directory and begin a new segment in it.

    Args:
        directory: The log directory; made if missing.
        signer: Who will sign the heads.
        now: Nanoseconds since the Unix epoch.

    Returns:
        The segment, locked, with its opening record written.

    Raises:
        AuditWriteError: If the directory cannot be used.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _one_opener(directory):
            _publish_key(directory, signer)
            return _begin(directory, signer, now)
    except AuditWriteError:
        raise
    except (OSError, AuditError) as error:
        number = error.errno if isinstance(error, OSError) else None
        raise AuditWriteError(
            f"audit log {directory.name} cannot be opened for writing",
            expected="a directory that this process may write to, and segments that it may read",
            got=type(error).__name__ if number is None else f"{type(error).__name__} ({os.strerror(number)})",
            remedy="fix its permissions or free space, or pass another directory; nothing is allowed until then",
        ) from error


@contextmanager
def _one_opener(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _publish_key(directory: Path, signer: HeadSigner) -> None:
    """Put the public key beside the segments, so that the log can be checked without its writer."""
    path = directory / KEYS / f"{signer.key_id}{KEY_SUFFIX}"
    path.parent.mkdir(mode=0o755, exist_ok=True)
    text = f"{signer.public.hex()}\n".encode()
    if not path.exists():
        temporary = path.with_suffix(".new")
        write_durably(temporary, text)
        temporary.replace(path)
        return
    if path.read_bytes() != text:
        raise AuditWriteError(
            f"public key {signer.key_id} beside the log is not the key of that name",
            expected="the key that signs this log",
            got="other bytes",
            remedy="find out who changed it, then remove it",
        )


def _begin(directory: Path, signer: HeadSigner, now: int) -> OpenSegment:
    previous, recovered = recover(directory)
    name = segment_name(now, secrets.token_hex(4))
    path = segment_path(directory, name)
    header = SegmentOpened(
        segment=name,
        time=to_datetime(now),
        key_id=signer.key_id,
        previous=previous,
        recovered=recovered,
        writer=Writer(pid=os.getpid()),
    )
    with ExitStack() as undo:
        # The sidecar comes first: a segment without one was robbed of it, it did not merely crash.
        heads = _create(heads_path(path), undo)
        lines = _create(path, undo)
        lines.lock()
        sync_directory(directory)
        lines.append(join_line(0, GENESIS, record_body(header)))
        undo.pop_all()
    return OpenSegment(name, lines, heads)


def _create(path: Path, undo: ExitStack) -> ChainedFile:
    file = ChainedFile.create(path)
    undo.callback(path.unlink, missing_ok=True)
    undo.callback(file.close)
    return file
