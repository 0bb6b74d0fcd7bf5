"""Names and limits of an evidence package, and its digests.

Invariant: a package is a flat set of files, at most one folder deep, with names that no file system can misread.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

ENVELOPE: Final = "statement.dsse.json"
"""The only file that is not under the statement: it holds the statement."""

EXPLANATION: Final = "explanation.txt"
MAPPINGS: Final = "mappings.json"
SCRIPT: Final = "verify_evidence.py"

PREDICATE_TYPE: Final = "urn:aisecops-langchain:evidence:1"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

MAX_FILES: Final = 4096
MAX_BYTES: Final = 1024 * 1024 * 1024
"""Of all files together, unpacked."""

_NAME: Final = re.compile(r"(?:[a-z]{1,16}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


def is_safe(name: str) -> bool:
    """Whether a name may stand in a package.

    Args:
        name: A path inside it, parted by ``/``.

    Returns:
        False for anything that leads elsewhere or deeper than one folder.
    """
    return _NAME.fullmatch(name) is not None and ".." not in name


def sha256(data: bytes) -> str:
    """Hash a file.

    Args:
        data: Its bytes.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(data).hexdigest()
