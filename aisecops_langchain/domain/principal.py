"""Who acts: the tenant, the user on whose behalf, and the agent that carries it out.

Invariant: a principal comes from configuration or an identity provider, never from message text.
"""

from __future__ import annotations

from pydantic import Field

from aisecops_langchain.domain.base import Frozen


class Principal(Frozen):
    """The subject of every decision (NIST SP 800-162)."""

    agent: str = Field(min_length=1)
    """Name of the agent as the policy bundle knows it."""
    user: str = Field(default="anonymous", min_length=1)
    """The person or service on whose behalf the agent acts."""
    tenant: str = Field(default="default", min_length=1)
    """The organisation whose data and budgets are touched."""


class Approver(Frozen):
    """Who answered an approval, and whether an identity provider vouched for the name."""

    id: str = Field(min_length=1)
    verified: bool = False
