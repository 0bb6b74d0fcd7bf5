"""The options by which a command learns who gives an answer.

Invariant: a bare name is nobody's word and counts as unverified; only a token that holds against the operator's keys
makes a verified person.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from aisecops_langchain.domain.principal import Approver

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_OPTIONS: Final = (
    click.option("--as", "name", default=None, help="Who answers, without proof; counts as unverified."),
    click.option("--token-file", type=_FILE, default=None, help="File with a JSON Web Token of who answers."),
    click.option("--jwks", type=_FILE, default=None, help="Public keys of the identity provider, a JWK Set."),
    click.option("--issuer", default=None, help="The only issuer that counts."),
    click.option("--audience", default=None, help="Who the token must be meant for."),
    click.option("--tenant-claim", default=None, help="The claim that names the tenant."),
    click.option("--roles-claim", default=None, help="The claim that lists the person's roles."),
)


def who_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that tell who answers; it takes them together as ``**who``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def approver_of(
    *,
    name: str | None,
    token_file: Path | None,
    jwks: Path | None,
    issuer: str | None,
    audience: str | None,
    tenant_claim: str | None,
    roles_claim: str | None,
) -> Approver:
    """Tell who answers.

    Args:
        name: A bare name.
        token_file: File with a token.
        jwks: File with the keys that it is checked against.
        issuer: Its issuer.
        audience: Its audience.
        tenant_claim: The claim that names the tenant.
        roles_claim: The claim that lists roles.

    Returns:
        The approver; verified only by a token.

    Raises:
        click.UsageError: If nobody is named, or somebody twice.
        IdentityError: If the token names nobody.
        ConfigurationError: If the keys cannot be used.
    """
    from aisecops_langchain.domain.principal import Approver
    from aisecops_langchain.runtime.principals.identity import CONFIGURABLE
    from aisecops_langchain.runtime.principals.jwt import DEFAULT_TOKEN_KEY, JwtIdentity

    if (name is None) is (token_file is None):
        raise click.UsageError("say who answers: --as NAME, or --token-file FILE with --jwks, --issuer and --audience")
    if token_file is None:
        if not name or not name.strip() or not name.isprintable():
            raise click.UsageError("--as takes a visible name")
        return Approver(id=name.strip())
    if jwks is None or issuer is None or audience is None:
        raise click.UsageError("--token-file needs --jwks, --issuer and --audience")
    provider = JwtIdentity(jwks, issuer=issuer, audience=audience, tenant_claim=tenant_claim, roles_claim=roles_claim)
    token = token_file.read_text(encoding="ascii", errors="replace").strip()
    return provider.identify({CONFIGURABLE: {DEFAULT_TOKEN_KEY: token}}).approver()
