"""Who a run is for, as LangGraph's server tells it, and how verified identity and warrants become a principal.

Invariant: what cannot be verified is refused before anything is planned, and the refusal is in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from langchain_core.runnables import RunnableConfig

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.events import IdentityRefused
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.warrant import Warrant
from aisecops_langchain.errors import ConfigurationError, IdentityError
from aisecops_langchain.runtime.governor import Governor
from aisecops_langchain.runtime.principals.identity import Identity, IdentityProvider, configured, named

AUTH_USER: Final = "langgraph_auth_user"
"""Where LangGraph's server puts the user that its authentication handler returned."""

WARRANT_KEY: Final = "aisecops_warrant"
"""Where a caller puts the warrant of a subagent's run."""

WarrantSource = Warrant | str | Callable[[RunnableConfig], Warrant | str]
"""A warrant, or how to find it in the configuration of a run."""


@runtime_checkable
class AuthUser(Protocol):
    """The parts of LangGraph's user that are read here."""

    @property
    def identity(self) -> str:
        """The user's name."""
        ...

    @property
    def is_authenticated(self) -> bool:
        """Whether it was authenticated."""
        ...

    def __getitem__(self, key: str, /) -> Any:
        """Read a field that the authentication handler added."""
        ...


class LangGraphAuthIdentity:
    """Trusts the user that LangGraph's server authenticated.

    Use it only behind that server: it overwrites what a client sends under this name; ``invoke`` in your own process
    does not.

    Args:
        tenant_field: The field of the user that names the tenant; without it every user belongs to ``tenant``.
        tenant: The tenant where no field names it.
        roles_field: The field of the user that lists the roles in which it answers approvals; without it, none.
        issuer: The name under which events show who vouched.
    """

    def __init__(
        self,
        *,
        tenant_field: str | None = None,
        tenant: str = "default",
        roles_field: str | None = None,
        issuer: str = "langgraph-auth",
    ) -> None:
        self._tenant_field = tenant_field
        self._tenant = tenant
        self._roles_field = roles_field
        self._issuer = issuer

    def identify(self, config: Mapping[str, Any], /) -> Identity:
        """Vouch for the authenticated user.

        Raises:
            IdentityError: If there is none, or it was not authenticated.
        """
        user = configured(config, AUTH_USER)
        if isinstance(user, Mapping):
            name, authenticated = user.get("identity"), user.get("is_authenticated", True)
        elif isinstance(user, AuthUser):
            name, authenticated = user.identity, user.is_authenticated
        else:
            raise IdentityError("missing", "no authenticated user came with the run", expected=AUTH_USER)
        if authenticated is not True:
            raise IdentityError("not_authenticated", "the user was not authenticated")
        tenant = self._tenant if self._tenant_field is None else _field(user, self._tenant_field)
        roles = None if self._roles_field is None else _field(user, self._roles_field)
        return named(name, tenant, self._issuer, roles=roles)


def _field(user: Mapping[str, Any] | AuthUser, name: str) -> object:
    try:
        return user[name]
    except (KeyError, TypeError, AttributeError):
        return None


def warrant_of(config: RunnableConfig) -> str:
    """Read the warrant that the caller of a subagent's run put into its configuration.

    Args:
        config: The configuration of the run.

    Returns:
        Whatever stands there as text; it has still to be verified.
    """
    found = configured(config, WARRANT_KEY)
    if isinstance(found, Warrant):
        return found.model_dump_json()
    return found if isinstance(found, str) else ""


class VerifiedPrincipal:
    """Names the principal of a run from verified identity, a warrant, or both.

    Args:
        governor: Judges warrants and records refusals.
        agent: The agent that acts; with a warrant it may be left to the warrant.
        identity: Tells the user and the tenant.
        warrant: Tells on whose delegation.
    """

    def __init__(
        self,
        governor: Governor,
        *,
        agent: str | None,
        identity: IdentityProvider | None = None,
        warrant: WarrantSource | None = None,
    ) -> None:
        if identity is None and warrant is None:
            raise ConfigurationError("nobody can be named as principal", expected="an identity provider or a warrant")
        self._governor = governor
        self._agent = agent
        self._identity = identity
        self._warrant = warrant

    def __call__(self, config: RunnableConfig) -> Principal:
        """Name the principal.

        Args:
            config: The configuration of the run.

        Returns:
            The principal.

        Raises:
            IdentityError: If nobody can be vouched for; recorded.
            WarrantError: If the warrant is not sound, or for somebody else; recorded.
        """
        person = None if self._identity is None else self._identified(self._identity, config)
        if self._warrant is None:
            if person is None:
                raise IdentityError("missing", "nobody was identified")
            return person
        presented = self._warrant if isinstance(self._warrant, Warrant | str) else self._warrant(config)
        return self._governor.delegations.present(presented, agent=self._agent, identity=person)

    def _identified(self, provider: IdentityProvider, config: RunnableConfig) -> Principal:
        agent = self._agent or "unknown"
        try:
            found = provider.identify(config)
            if not isinstance(found, Identity):
                raise IdentityError("missing", "the identity provider named nobody")  # noqa: TRY301 - the same refusal
        except IdentityError as error:
            self._refuse(agent, error.code, error.message, error.presented)
            raise
        except Exception as error:  # noqa: BLE001 - a provider of the user's own; whatever it raises, nobody was identified
            self._refuse(agent, "provider_failed", "the identity provider failed", "")
            raise IdentityError("provider_failed", "the identity provider failed", got=type(error).__name__) from None
        return Principal(agent=agent, user=found.user, tenant=found.tenant, issuer=found.issuer)

    def _refuse(self, agent: str, code: str, reason: str, presented: str) -> None:
        trace = digest_texts("identity-trace", agent, code, presented)[7:39]
        nobody = Principal(agent=agent, user="unidentified", tenant="unidentified")
        scope = self._governor.scope(trace=trace, thread=f"identity-{trace}", checkpoint_ns="", principal=nobody)
        self._governor.recorder.record(IdentityRefused, scope, code, code=code, reason=reason)
        self._governor.recorder.commit()
