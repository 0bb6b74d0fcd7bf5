"""Who a run is for: identity providers read it from the run's configuration, never from messages or state.

Invariant: a provider either names a person whom it can vouch for, or raises; there is no anonymous fallback.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from pydantic import Field, ValidationError

from aisecops_langchain.canonical import digest_text
from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.principal import Approver
from aisecops_langchain.errors import ConfigurationError, IdentityError

CONFIGURABLE: Final = "configurable"
"""Where a run's configuration holds what its caller set."""

MAX_NAME: Final = 256
"""Longer names of users, tenants, issuers and roles are refused."""

MAX_ROLES: Final = 256
"""More roles of one person are refused."""


class Identity(Frozen):
    """A person or service that somebody vouched for."""

    user: str = Field(min_length=1, max_length=MAX_NAME)
    tenant: str = Field(default="default", min_length=1, max_length=MAX_NAME)
    issuer: str = Field(min_length=1, max_length=MAX_NAME)
    """Who vouched."""
    roles: tuple[str, ...] = ()
    """Roles that the same somebody gives the person; they count where a person answers an approval."""

    def approver(self) -> Approver:
        """Return the person as one who answers approvals."""
        return Approver(id=self.user, verified=True, tenant=self.tenant, issuer=self.issuer, roles=self.roles)


@runtime_checkable
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
        roles: Roles in which the person answers approvals.
    """

    def __init__(
        self, user: str, *, tenant: str = "default", issuer: str = "configuration", roles: Collection[str] = ()
    ) -> None:
        self._identity = named(user, tenant, issuer, roles=roles)

    def identify(self, config: Mapping[str, Any], /) -> Identity:  # noqa: ARG002 - the port's signature
        """Return the one identity."""
        return self._identity


def named(user: object, tenant: object, issuer: object, *, roles: object = None, presented: str = "") -> Identity:
    """Make an identity of names that a provider read.

    Args:
        user: Who.
        tenant: Of which organisation.
        issuer: Who vouches.
        roles: Roles of the person: a list of names, a text of names between spaces, or ``None`` for none.
        presented: Digest of what the names were read from.

    Returns:
        The identity.

    Raises:
        IdentityError: If one of them is no usable name.
    """
    try:
        names = {"user": user, "tenant": tenant, "issuer": issuer, "roles": _roles(roles, presented)}
        found = Identity.model_validate(names, strict=True)
    except ValidationError as error:
        field = str(error.errors(include_input=False)[0]["loc"][0])
        raise IdentityError(
            "name", f"the {field} is no usable name", presented=presented, expected=f"1 to {MAX_NAME} characters"
        ) from None
    every = (found.user, found.tenant, found.issuer, *found.roles)
    if not all(name.isprintable() and name == name.strip() for name in every):
        raise IdentityError(
            "name", "a name holds characters that cannot be seen", presented=presented, expected="visible characters"
        )
    return found


def _roles(found: object, presented: str) -> tuple[str, ...]:
    """Read roles as providers spell them; what cannot be read as such is refused, not read as no role."""
    if found is None:
        return ()
    given = found.split() if isinstance(found, str) else found
    if not isinstance(given, list | tuple | set | frozenset) or len(given) > MAX_ROLES:
        raise IdentityError("roles", "the roles cannot be read", presented=presented, expected="a list of names")
    if not all(isinstance(role, str) and 0 < len(role) <= MAX_NAME for role in given):
        raise IdentityError("roles", "a role is no usable name", presented=presented, expected="a list of names")
    return tuple(sorted(set(given)))


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
