"""Reads the trusted public keys that a person names on the command line.

Invariant: only text that is a public key counts; a private key file, which looks like raw bytes, is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aisecops_langchain.cli.output import CommandError

_HASH_DIGITS: Final = 64
_KEY_FILE_LIMIT: Final = 4096


def pinned_keys(keys: tuple[str, ...]) -> dict[str, bytes]:
    """Read trusted keys.

    Args:
        keys: Each as 64 hexadecimal digits, or the path of a file that holds them.

    Returns:
        The raw keys by key id.

    Raises:
        CommandError: If one is not a public key.
    """
    from aisecops_langchain.audit.heads import key_id_of

    publics = [_public_key(key) for key in keys]
    return {key_id_of(public): public for public in publics}


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 or a public key.

    Args:
        text: Any text.

    Returns:
        True for 64 lower-case hexadecimal digits.
    """
    return len(text) == _HASH_DIGITS and all(digit in "0123456789abcdef" for digit in text)


def _public_key(key: str) -> bytes:
    """Read a key given as digits or as a file; raw bytes are refused, since a private key file looks just like that."""
    text = key if is_hash(key) else _key_file_text(Path(key))
    if not is_hash(text):
        raise CommandError(
            "--key is not a public key; expected: 64 hexadecimal digits, or a .pub file that holds them; "
            "do: pass a file from the keys folder of the log, never the private key"
        )
    return bytes.fromhex(text)


def _key_file_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_KEY_FILE_LIMIT).decode("ascii", "replace").strip()
    except (OSError, ValueError) as error:
        raise CommandError(
            f"--key cannot be read; expected: a readable .pub file; got: {type(error).__name__}"
        ) from error
