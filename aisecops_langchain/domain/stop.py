"""Stops: runs, agents, tenants and warrants that nothing may be done for any more.

Invariant: a register is whole or it is nothing; all standing orders lie in one sealed value whose epoch only grows, so
that no single order can be taken out of it at rest.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from aisecops_langchain.domain.base import Frozen
from aisecops_langchain.domain.principal import Principal
from aisecops_langchain.domain.scope import Scope


class StopKind(StrEnum):
    """What can be stopped."""

    RUN = "run"
    AGENT = "agent"
    TENANT = "tenant"
    WARRANT = "warrant"


class StopOrder(Frozen):
    """One standing order."""

    kind: StopKind
    target: str = Field(min_length=1, max_length=512)
    """Thread or trace of a run, name of an agent or a tenant, or digest of a warrant."""
    reason: str = Field(default="", max_length=500)
    by: str = Field(default="", max_length=200)
    """Who ordered it, as far as that is known."""
    ordered_at: int
    """Nanoseconds since the Unix epoch."""
    until: int | None = None
    """When the order may be forgotten, in nanoseconds; for a warrant its expiry, otherwise never."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is about, as plain text: an enumeration's hash is slow for the gate."""
        return self.kind.value, self.target


class StopRegister(Frozen):
    """All standing orders."""

    epoch: int = Field(ge=1)
    """Grows with every change; an older register than one that was seen is a replayed one."""
    state: str = "register"
    orders: tuple[StopOrder, ...] = ()


def stop_targets(scope: Scope) -> set[tuple[str, str]]:
    """Name everything whose stop would stop what happens in a scope, the delegators' runs and warrants included.

    Args:
        scope: Where something is about to happen.

    Returns:
        Keys of the orders that would stop it.
    """
    principal: Principal = scope.principal
    targets = {
        ("run", scope.thread),
        ("run", scope.trace),
        ("agent", principal.agent),
        ("tenant", principal.tenant),
    }
    for link in principal.delegators:
        targets |= {("agent", link.agent), ("warrant", link.warrant), ("run", link.run)}
    return targets
