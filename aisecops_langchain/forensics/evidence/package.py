"""Reading and writing an evidence package: a folder or a zip file.

Invariant: reading touches nothing outside the package, follows no link, unpacks nothing to disk and holds no more than
the limit in memory; writing never replaces anything that is there.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aisecops_langchain.errors import EvidenceError
from aisecops_langchain.forensics.evidence.names import MAX_BYTES, MAX_FILES, is_safe

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o600


def read_package(path: Path) -> dict[str, bytes]:
    """Read a package whole.

    Args:
        path: A folder or a zip file.

    Returns:
        The files by name.

    Raises:
        EvidenceError: If it cannot be read, is too large, or holds anything but plain files with plain names.
    """
    try:
        return _read_folder(path) if path.is_dir() else _read_zip(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        if isinstance(error, EvidenceError):
            raise
        raise EvidenceError(
            "evidence cannot be read", expected="a folder or a zip file", got=type(error).__name__
        ) from error


def write_package(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a package: a zip file if the path ends in ``.zip``, else a folder.

    Args:
        path: Where to; nothing may be there yet.
        files: The files by name.

    Raises:
        EvidenceError: If something is there, or it cannot be written.
    """
    try:
        if path.suffix == ".zip":
            _write_zip(path, files)
        else:
            _write_folder(path, files)
    except OSError as error:
        raise EvidenceError(
            f"evidence cannot be written to {path.name}",
            expected="a path where nothing is yet, in a folder that may be written to",
            got=type(error).__name__,
            remedy="choose another path with -o",
        ) from error


def _read_folder(root: Path) -> dict[str, bytes]:
    if root.is_symlink():
        raise _strange(root.name, "a link")
    files: dict[str, bytes] = {}
    room = MAX_BYTES
    for folder, within, names in os.walk(root, followlinks=False):
        for name in (*within, *names):
            path = Path(folder, name)
            inside = path.relative_to(root).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) and is_safe(f"{inside}/x"):
                continue
            if not stat.S_ISREG(mode) or not is_safe(inside):
                raise _strange(inside, "no plain file with a plain name")
            files[inside] = _read_file(path, room)
            room -= len(files[inside])
            _check_room(len(files), room)
    return files


def _read_file(path: Path, room: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(max(room, 0) + 1)


def _read_zip(path: Path) -> dict[str, bytes]:
    if not path.is_file():  # a pipe or a device has no end
        raise _strange(path.name, "neither a folder nor a plain file")
    files: dict[str, bytes] = {}
    room = MAX_BYTES
    with zipfile.ZipFile(path) as archive:
        _check_room(len(archive.infolist()), room)
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            # The name is taken as it stands in the directory of the file: what zipfile makes of it may hide a part.
            if kind not in (0, stat.S_IFREG) or info.orig_filename != info.filename or not is_safe(info.filename):
                raise _strange(info.orig_filename, "no plain file with a plain name")
            if info.filename in files:
                raise _strange(info.filename, "twice in the archive")
            with archive.open(info) as file:
                files[info.filename] = file.read(max(room, 0) + 1)
            room -= len(files[info.filename])
            _check_room(len(files), room)
    return files


def _check_room(count: int, room: int) -> None:
    if count > MAX_FILES or room < 0:
        raise EvidenceError(
            "evidence is too large", expected=f"at most {MAX_FILES} files and {MAX_BYTES} bytes", got="more"
        )


def _strange(name: str, what: str) -> EvidenceError:
    return EvidenceError(
        "evidence holds something that does not belong there",
        expected="plain files with plain names, at most one folder deep",
        got=f"{name[:120]!r}: {what}",
        remedy="do not unpack it; ask for the package again",
    )


def _write_folder(root: Path, files: Mapping[str, bytes]) -> None:
    root.mkdir(mode=0o700)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE), "wb") as file:
            file.write(data)


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = (stat.S_IFREG | _FILE_MODE) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
