"""Where a governance home keeps every bundle that came into force there, and reading them back.

Invariant: a bundle is named by its digest, and one that has another is an error, never a policy.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aisecops_langchain.canonical import digest_bytes
from aisecops_langchain.errors import PolicyError
from aisecops_langchain.policy.engine import Policy
from aisecops_langchain.policy.loader import parse_policy
from aisecops_langchain.policy.yaml_source import MAX_BYTES

KEPT: Final = "policies"
"""Folder of a governance home."""

_NAME: Final = re.compile(r"([0-9a-f]{64})\.json")


def kept_path(folder: Path, digest: str) -> Path:
    """Name the file of a bundle.

    Args:
        folder: The folder.
        digest: Digest of the bundle.

    Returns:
        Its place.
    """
    return folder / f"{digest.removeprefix('sha256:')}.json"


def read_kept(folder: Path, digest: str) -> bytes | None:
    """Read one bundle.

    Args:
        folder: The folder.
        digest: Its digest.

    Returns:
        Its normalised text; ``None`` if it is not kept there.

    Raises:
        PolicyError: If what is there cannot be read, or has another digest.
    """
    path = kept_path(folder, digest)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PolicyError(
            "kept policy bundle cannot be read", file=str(path), expected="a readable file", got=type(error).__name__
        ) from error
    found = digest_bytes("policy", data)
    if found != digest:
        raise PolicyError(
            "kept policy bundle was changed",
            file=str(path),
            expected=digest,
            got=found,
            remedy="restore it from a backup, or move it away; decisions under it cannot be checked without it",
        )
    return data


def kept_policies(folder: Path) -> tuple[Policy, ...]:
    """Read all bundles.

    Args:
        folder: The folder; one that is not there holds none.

    Returns:
        The policies, by digest.

    Raises:
        PolicyError: If one cannot be read, or has another digest than its name.
    """
    try:
        names = sorted(match[1] for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise PolicyError(
            "kept policy bundles cannot be listed", file=str(folder), expected="a folder", got=type(error).__name__
        ) from error
    texts = [(name, read_kept(folder, f"sha256:{name}")) for name in names]
    return tuple(parse_policy(text.decode(), name=f"{KEPT}/{name}.json") for name, text in texts if text is not None)
