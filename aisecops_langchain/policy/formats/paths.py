"""``path_under``: a file path that stays below one of the named roots, as far as its text can tell.

Invariant: an accepted path, normalised lexically, lies at or below a root. Spellings that some layer between policy and
the file system could read differently are refused: backslashes, drives, percent and environment escapes, home
directories, control characters, and characters that normalise (Unicode NFKC) to any of these. Symbolic links are the
file system's business: policy looks at no disk.
"""

from __future__ import annotations

import posixpath
import unicodedata
from typing import Final

from pydantic import JsonValue

from aisecops_langchain.policy.formats.base import Accepts, each, texts_of
from aisecops_langchain.policy.values import OperandError

_LONGEST: Final = 4096
_SPECIAL: Final = frozenset('\\%$~:*?"<>|`')
_READ_AS: Final = _SPECIAL | frozenset("./")


def path_under(operand: JsonValue) -> Accepts:
    """Build the constraint.

    Args:
        operand: A root or a list of them. An absolute root takes absolute paths, a relative one relative paths.

    Returns:
        The test.

    Raises:
        OperandError: If a root is not a plain, normalised path.
    """
    roots = texts_of("path_under", operand)
    for root in roots:
        if not _plain(root) or posixpath.normpath(root) != root or root.split("/")[0] == "..":
            raise OperandError("path_under takes normalised paths with forward slashes, such as /srv/data or reports")
    return each(lambda value: _plain(value) and any(_below(value, root) for root in roots), longest=_LONGEST)


def _below(path: str, root: str) -> bool:
    resolved = posixpath.normpath(path)
    if root == ".":
        return not resolved.startswith("/") and resolved.split("/")[0] != ".."
    return resolved == root or resolved.startswith(root if root == "/" else root + "/")


def _plain(path: str) -> bool:
    """Whether every layer reads the text as the same path."""
    if not path or path.startswith("//") or not path.isprintable() or not _SPECIAL.isdisjoint(path):
        return False
    if not path.isascii() and not all(_stands_for_itself(character) for character in path if character > "\x7f"):
        return False
    return not any(_is_trimmed(part) for part in path.split("/"))


def _stands_for_itself(character: str) -> bool:
    return _READ_AS.isdisjoint(unicodedata.normalize("NFKC", character))


def _is_trimmed(part: str) -> bool:
    """Windows drops dots and spaces at the end of a name, so '.. ' and '...' are not what they seem."""
    return part not in ("", ".", "..") and part[-1] in ". "
