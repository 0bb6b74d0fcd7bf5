"""Who a run is for: identity providers read it from the run's configuration, never from messages or state.

Invariant: a provider either names a person whom it can vouch for, or raises; there is no anonymous fallback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pydantic import Field, ValidationError

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.errors import ConfigurationError, IdentityError

CONFIGURABLE: Final = "configurable"
"""Where a run's configuration holds what its caller set."""

MAX_NAME: Final = 256
"""Longer names of users, tenants and issuers are refused."""


class Identity(Frozen):
    """A person or service that somebody vouched for."""

    user: str = Field(min_length=1, max_length=MAX_NAME)
    tenant: str = Field(default="default", min_length=1, max_length=MAX_NAME)
    issuer: str = Field(min_length=1, max_length=MAX_NAME)
    """Who vouched."""


class IdentityProvider(Protocol):
    """Tells who a run is for."""

    def identify(self, config: Mapping[str, Any], /) -> Identity:
        """Identify the caller.

        Args:
            config: The configuration of the run, as LangGraph hands it to nodes.

        Returns:
            Who it is for.

        Raises:
            IdentityError: If nobody can be vouched for.
        """
        ...


class StaticIdentity:
    """One person for every run: for services that act in their own name, and for tests.

    Args:
        user: Who.
        tenant: Of which organisation.
        issuer: Who vouches; the operator's configuration unless said.
    """

    def __init__(self, user: str, *, tenant: str = "default", issuer: str = "configuration") -> None:
        self._identity = named(user, tenant, issuer)

    def identify(self, config: Mapping[str, Any], /) -> Identity:  # noqa: ARG002 - the port's signature
        """Return the one identity."""
        return self._identity


def named(user: object, tenant: object, issuer: object, *, presented: str = "") -> Identity:
    """Make an identity of names that a provider read.

    Args:
        user: Who.
        tenant: Of which organisation.
        issuer: Who vouches.
        presented: Digest of what the names were read from.

    Returns:
        The identity.

    Raises:
        IdentityError: If one of them is no usable name.
    """
    try:
        found = Identity.model_validate({"user": user, "tenant": tenant, "issuer": issuer}, strict=True)
    except ValidationError as error:
        field = str(error.errors(include_input=False)[0]["loc"][0])
        raise IdentityError(
            "name", f"the {field} is no usable name", presented=presented, expected=f"1 to {MAX_NAME} characters"
        ) from None
    if not all(name.isprintable() and name == name.strip() for name in (found.user, found.tenant, found.issuer)):
        raise IdentityError(
            "name", "a name holds characters that cannot be seen", presented=presented, expected="visible characters"
        )
    return found


def configured(config: Mapping[str, Any], key: str) -> object:
    """Read what the caller of a run configured under a name; ``None`` where there is nothing."""
    inside = config.get(CONFIGURABLE)
    return inside.get(key) if isinstance(inside, Mapping) else None


def token_of(config: Mapping[str, Any], key: str, *, limit: int) -> str:
    """Read a token from a run's configuration.

    Args:
        config: The configuration.
        key: Its name there.
        limit: Longer ones are refused before anything is parsed.

    Returns:
        The token, without ``Bearer``.

    Raises:
        IdentityError: If there is none, or it is too long to be one.
    """
    found = configured(config, key)
    if not isinstance(found, str) or not found:
        raise IdentityError(
            "missing",
            "no token came with the run",
            expected=f"configurable[{key!r}]",
            got=type(found).__name__,
            remedy="put the caller's token into the configuration where your server authenticated it",
        )
    if len(found) > limit:
        raise IdentityError("oversized", "the token is too long", expected=f"at most {limit} characters")
    if not found.isascii():
        raise IdentityError("malformed", "the token is not ASCII text", presented=digest_text("token", found))
    return found.removeprefix("Bearer ").strip()


def require(condition: object, message: str, expected: str) -> None:
    """Refuse a configuration that could not be enforced.

    Raises:
        ConfigurationError: If the condition does not hold.
    """
    if not condition:
        raise ConfigurationError(message, expected=expected)
