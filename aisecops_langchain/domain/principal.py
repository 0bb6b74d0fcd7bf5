"""Who acts: the tenant, the user on whose behalf, the agent that carries it out, and the agents that delegated to it.

Invariant: a principal comes from configuration or an identity provider, never from message text. A chain of delegators
authorises nothing by itself: the gate accepts it only with the signed warrants that it names.
"""

from __future__ import annotations

from pydantic import Field

from aisecops_langchain.canonical import digest_texts
from aisecops_langchain.domain.base import Frozen


class Delegator(Frozen):
    """One link of a chain of delegation: who passed authority on, in which run, by which warrant."""

    agent: str = Field(min_length=1)
    """The agent that delegated."""
    warrant: str = Field(min_length=1)
    """Digest of the warrant that it gave."""
    run: str = ""
    """Thread of the run in which it did, where there was one; stopping that run stops this link."""


class Principal(Frozen):
    """The subject of every decision (NIST SP 800-162)."""

    agent: str = Field(min_length=1)
    """Name of the agent as the policy bundle knows it."""
    user: str = Field(default="anonymous", min_length=1)
    """The person or service on whose behalf the agent acts."""
    tenant: str = Field(default="default", min_length=1)
    """The organisation whose data and budgets are touched."""
    issuer: str = ""
    """Who vouched for user and tenant: an identity provider; empty where configuration only states them."""
    delegators: tuple[Delegator, ...] = ()
    """The agents that authority came through, the first delegator first; empty for an agent that acts by itself."""

    @property
    def verified(self) -> bool:
        """Whether an identity provider vouched for user and tenant."""
        return self.issuer != ""

    def chain(self) -> str:
        """Return one text that names the agents that authority came through, for sealing; empty without any."""
        return digest_texts("delegators", *(link.agent for link in self.delegators)) if self.delegators else ""


class Approver(Frozen):
    """Who answered an approval, and whether an identity provider vouched for the name."""

    id: str = Field(min_length=1)
    verified: bool = False
