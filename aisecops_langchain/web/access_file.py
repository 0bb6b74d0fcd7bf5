"""The file that says whose tokens count.

Invariant: the file holds hashes, never tokens; one that others may write, that names a token twice, or that says
anything unknown is refused as a whole.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import ConfigurationError
from aisecops_langchain.policy.yaml_source import parse_document
from aisecops_langchain.web.access import Caller, Role, TokenHolder

_MOST_TOKENS = 1_000

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]


class _Entry(Frozen):
    person: Name
    role: Role = Role.VIEWER
    tenants: tuple[Name, ...] | None = Field(default=None, min_length=1)
    roles: tuple[Name, ...] = ()
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _File(Frozen):
    tokens: tuple[_Entry, ...] = Field(min_length=1, max_length=_MOST_TOKENS)


def load_access(path: Path) -> tuple[TokenHolder, ...]:
    """Read whose tokens count.

    Args:
        path: A YAML file with ``tokens``, each with ``person``, ``sha256``, and where wanted ``role``, ``tenants`` and
            ``roles``.

    Returns:
        The holders. Everybody in the file is verified: whoever has the token is the person, by the operator's word.

    Raises:
        ConfigurationError: If the file cannot be read, can be written by others, or makes no sense.
        PolicyError: If it is not plain YAML; the message says in which line.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path.name} cannot be read", got=type(error).__name__) from None
    if os.name == "posix" and mode & 0o022:
        raise ConfigurationError(
            f"{path.name} can be written by others", expected="mode 0644 or stricter", got=f"mode {mode:04o}"
        )
    try:
        found = _File.model_validate(parse_document(text, path.name).value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(item) for item in first["loc"])
        raise ConfigurationError(
            f"{path.name} makes no sense", expected="tokens with person, sha256, role, tenants, roles", got=where
        ) from None
    if len({entry.sha256 for entry in found.tokens}) != len(found.tokens):
        raise ConfigurationError(f"{path.name} names a token twice", expected="one person for each token")
    return tuple(TokenHolder(entry.sha256, _caller(entry)) for entry in found.tokens)


def _caller(entry: _Entry) -> Caller:
    tenants = None if entry.tenants is None else frozenset(entry.tenants)
    return Caller(entry.person, entry.role, tenants, verified=True, roles=entry.roles)
